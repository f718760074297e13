# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a document, all at once: rules that it breaks, and what pydantic found, as one list and one error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from airflow_dataops.core.errors import SpecError

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        path: Where, dotted: ``cluster.idle_delete_ttl``.
        code: Stable name in capitals.
        message: What was received and what is valid.
        hint: What to type instead; None where the message says it all.
    """

    path: str
    code: str
    message: str
    hint: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return the fault as JSON."""
        return asdict(self)


def broken(faults: list[Fault], error_type: str) -> PydanticCustomError:
    """Return what a validator raises for these faults; :func:`faults_in` finds them again by the same ``error_type``."""
    listed = "; ".join(f"{fault.path}: {fault.message}" for fault in faults)
    context = {"listed": listed, "faults": [fault.to_dict() for fault in faults]}
    return PydanticCustomError(error_type, "{listed}", context)


def faults_in(error: ValidationError, error_type: str) -> list[Fault]:
    """Return what pydantic found, and the faults in it that :func:`broken` put there."""
    return [fault for found in error.errors() for fault in _faults(found, error_type)]


def faults_of(kind: type[BaseModel], document: Mapping[str, Any], error_type: str) -> list[Fault]:
    """Return all that is wrong with a document of a kind whose validator raises :func:`broken` with ``error_type``.

    Values of the wrong type and unknown keys come first; the rules are looked at when there are none of those.
    """
    try:
        kind.model_validate(document)
    except ValidationError as error:
        return faults_in(error, error_type)
    return []


def parse(kind: type[ModelT], document: Mapping[str, Any], error_type: str, code: str) -> ModelT:
    """Return what a document of a kind describes.

    Raises:
        SpecError: Something is wrong; ``details["faults"]`` lists it all. It never shows what was given, beside what a rule tells of it.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise refusal(faults_in(error, error_type), code) from None


def refusal(faults: list[Fault], code: str) -> SpecError:
    """Return one error for all faults; its hint is the first one's, and ``details["faults"]`` lists them."""
    return SpecError(
        "; ".join(f"{fault.path}: {fault.message}" for fault in faults),
        hint=next((fault.hint for fault in faults if fault.hint), None),
        code=code,
        details={"faults": [fault.to_dict() for fault in faults]},
    )


def _faults(found: Mapping[str, Any], error_type: str) -> list[Fault]:
    if found["type"] == error_type:
        return [Fault(**fault) for fault in found["ctx"]["faults"]]
    return [Fault(".".join(str(part) for part in found["loc"]), str(found["type"]).upper(), found["msg"])]
