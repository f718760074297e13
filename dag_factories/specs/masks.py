# SPDX-License-Identifier: Apache-2.0
"""Masks as an author writes them: ``sha256``, or ``{kind: sha256, salt: "${env:SALT}"}``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.tables import MaskSpec
from dag_factories.references import secret

_KINDS = ["sha256", "digits", "last4", "drop", "null"]


def _mask(value: Any) -> Any:
    """Turn the short form into the long one, and a salt's ``${env:…}`` into a reference."""
    if value is None or isinstance(value, str):
        return {"kind": "null" if value is None else value}  # YAML reads a bare `null` as no value
    if not isinstance(value, dict):
        return value
    document = dict(value)
    if document.get("kind", "") is None:
        document["kind"] = "null"
    if document.get("salt") is None:
        return document
    try:
        document["salt"] = {"secret": secret(str(document["salt"])).secret}
    except SpecError as error:
        raise PydanticCustomError(
            error.code.lower(),
            "{message}",
            {"message": error.message, "hint": error.hint, "at": "salt"},
        ) from None
    return document


_SCHEMA = {
    "anyOf": [
        {"enum": [*_KINDS, None]},
        {
            "type": "object",
            "properties": {"kind": {"enum": [*_KINDS, None]}, "salt": {"type": "string", "examples": ["${env:SALT}"]}},
            "required": ["kind"],
            "additionalProperties": False,
        },
    ]
}

Mask = Annotated[MaskSpec, BeforeValidator(_mask), WithJsonSchema(_SCHEMA, mode="validation")]
"""A mask, in its short or long form; a salt is only ever named."""

MaskOrNone = Annotated[MaskSpec | None, BeforeValidator(_mask), WithJsonSchema(_SCHEMA, mode="validation")]
"""A mask that may be left out; written down, `null` is the mask of that name."""
