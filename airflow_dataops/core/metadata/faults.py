# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an event, all at once: where, what was received, and what is valid there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from airflow_dataops.core.errors import InputError, did_you_mean

_SHOWN = 80
_MOST = 100
# What pydantic tells of the error is what would be valid, behind one of these.
_LEADS = ("Input should be a valid ", "Input should be ", "Input should ", "Value error, ", "Field ")
HIDDEN = "(not shown, it may hold a secret)"


class Reason(StrEnum):
    """Why an event was refused; stable, and what a dead letter carries."""

    EMPTY = "EMPTY"  # no bytes at all: a tombstone
    TOO_LARGE = "TOO_LARGE"
    NOT_UTF8 = "NOT_UTF8"
    NOT_JSON = "NOT_JSON"
    DUPLICATE_NAME = "DUPLICATE_NAME"  # one object names a key twice
    TOO_DEEP = "TOO_DEEP"
    NEWER_VERSION = "NEWER_VERSION"  # of a schema that this reader does not know yet
    UNKNOWN_VERSION = "UNKNOWN_VERSION"
    INVALID = "INVALID"  # it breaks the schema
    FROM_THE_FUTURE = "FROM_THE_FUTURE"
    KEY_DIFFERS = "KEY_DIFFERS"  # the record's key is not the event's
    TRANSFORM_FAILED = "TRANSFORM_FAILED"
    STORE_REFUSED = "STORE_REFUSED"


@dataclass(frozen=True)
class FieldFault:
    """One thing that is wrong with an event.

    Attributes:
        path: Where, dotted, with places in lists in brackets: ``extracted.metrics[3].value``; empty for the event as a whole.
        received: What was there, shortened.
        valid: What may be there.
    """

    path: str
    received: str
    valid: str

    def __str__(self) -> str:
        """Return the fault as one sentence."""
        return f"{self.path or 'event'}: received {self.received}; valid is {self.valid}"

    def to_dict(self) -> dict[str, str]:
        """Return the fault as JSON."""
        return asdict(self)


class EventRefused(InputError):
    """The bytes are no event that can be taken; ``details`` holds ``reason`` and ``faults``."""

    default_code = "EVENT_REFUSED"

    @property
    def reason(self) -> Reason:
        """Why, in one word."""
        return Reason(self.details["reason"])

    @property
    def faults(self) -> list[FieldFault]:
        """All that is wrong."""
        return [FieldFault(**fault) for fault in self.details["faults"]]


def refused(reason: Reason, faults: Iterable[FieldFault], hint: str | None = None) -> EventRefused:
    """Return the error for these faults; the first hundred are told."""
    found = list(faults)
    told = [fault.to_dict() for fault in found[:_MOST]]
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    message = "; ".join(map(str, found[:_MOST])) + more
    return EventRefused(message, hint=hint, details={"reason": reason.value, "faults": told, "count": len(found)})


def one(reason: Reason, path: str, received: str, valid: str, hint: str | None = None) -> EventRefused:
    """Return the error for one fault."""
    return refused(reason, [FieldFault(path, received, valid)], hint)


def faults_in(error: ValidationError, model: type[BaseModel]) -> list[FieldFault]:
    """Return what pydantic found wrong with an event of a model."""
    return [_fault(found, model) for found in error.errors(include_url=False)]


def shown(value: Any) -> str:
    """Return a value as JSON, shortened; a text that no encoding can hold is escaped."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def dotted(place: Sequence[int | str]) -> str:
    """Return a path as it is told: ``("a", 3, "b")`` is ``a[3].b``."""
    text = ""
    for part in (part for part in place if part != "[key]"):  # pydantic's mark of a name that is wrong, not its value
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _fault(found: Any, model: type[BaseModel]) -> FieldFault:
    place, kind, message = tuple(found["loc"]), found["type"], str(found["msg"])
    if kind == "missing":
        return FieldFault(dotted(place), "nothing", "required")
    if kind == "extra_forbidden":
        known = _names_at(model, place[:-1])
        near = did_you_mean(str(place[-1]), known)
        return FieldFault(_safe(dotted(place)), "an unknown name", ", ".join(known) + (f" ({near})" if near else ""))
    context = found.get("ctx") or {}
    received = HIDDEN if context.get("hidden") else shown(found["input"])
    lead = next((lead for lead in _LEADS if message.startswith(lead)), "")
    valid = message.removeprefix(lead).replace("String should", "a text that should")
    return FieldFault(_safe(dotted(place)), received, valid)


def _safe(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()[:_SHOWN]


def _names_at(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """Return the names that are known where ``place`` leads to."""
    kind: Any = model
    for part in place:
        if isinstance(part, int):
            continue
        field = kind.model_fields.get(part) if kind is not None else None
        kind = None if field is None else _model_of(field.annotation)
    return [] if kind is None else list(kind.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation: of ``list[Image]`` it is ``Image``."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for each in get_args(annotation) if (found := _model_of(each)) is not None), None)


__all__ = ["HIDDEN", "EventRefused", "FieldFault", "Reason", "dotted", "faults_in", "one", "refused", "shown"]
