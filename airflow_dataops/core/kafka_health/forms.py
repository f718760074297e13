# SPDX-License-Identifier: Apache-2.0
"""Values of a check as people write them; what is refused is told with what was received, what is valid and what to type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator
from pydantic_core import PydanticCustomError

from airflow_dataops.core.errors import did_you_mean
from airflow_dataops.core.model import Model

_MOST = 2**63 - 1  # offsets are of this size
TOPIC = re.compile(r"[A-Za-z0-9._*?-]{1,249}")
WILD = re.compile(r"[*?]")


def shown(value: Any) -> str:
    """Return a value for a message: quoted, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= 100 else text[:99] + "…"


class Asked(Model):
    """A model that tells of an unknown key which ones there are, and which one is near."""

    @model_validator(mode="before")
    @classmethod
    def _knows_its_keys(cls, document: Any) -> Any:
        if not isinstance(document, Mapping):
            return document
        known = list(cls.model_fields)
        for key in document:
            if key not in cls.model_fields:
                near = did_you_mean(str(key), known)
                raise PydanticCustomError(
                    "unknown_key",
                    "{received} is no key here; known are: {known}{near}",
                    {"received": shown(key), "known": ", ".join(known), "near": f"; {near}" if near else ""},
                )
        return document


def one_of(*valid: str) -> BeforeValidator:
    """Return the check of a word that has to be one of some."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value in valid:
            return value
        near = did_you_mean(str(value).lower(), valid)
        raise PydanticCustomError(
            "bad_word",
            "{received} is not one of: {valid}; {write}",
            {"received": shown(value), "valid": ", ".join(valid), "write": near or f"write {valid[0]}"},
        )

    return BeforeValidator(check)


def _count(value: Any) -> int:
    text = value.strip().replace("_", "") if isinstance(value, str) else value
    if isinstance(text, str) and re.fullmatch(r"[0-9]{1,19}", text):
        text = int(text)
    if isinstance(text, bool) or not isinstance(text, int) or not 0 <= text <= _MOST:
        message = (
            "{received} is no number of records, looks or partitions; write a whole number from 0 on, such as 10000"
        )
        raise PydanticCustomError("bad_count", message, {"received": shown(value)})
    return text


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    message = "{received} is neither true nor false; write true or false"
    raise PydanticCustomError("bad_switch", message, {"received": shown(value)})


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    message = "{received} is no text; write a name in quotes"
    raise PydanticCustomError("bad_text", message, {"received": shown(value)})


def _names(value: Any) -> Any:
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return value
    message = "{received} is no list of names; write [gpu-metadata, 'clicks-*']"
    raise PydanticCustomError("bad_names", message, {"received": shown(value)})


Count = Annotated[int, BeforeValidator(_count)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Word = Annotated[str, BeforeValidator(_word)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
