# SPDX-License-Identifier: Apache-2.0
"""What is made of an event before it is stored: named steps in order, from YAML. The same event and steps make the same document.

::

    transforms:
      revision: 2
      steps:
        - {name: no vectors, drop: [extracted.images.embedding]}
        - {name: team, default: {extracted.attributes.team: vision}}
        - {name: width, rename: {extracted.attributes.w: extracted.attributes.width}}
        - {name: size, derive: {extracted.attributes.mib: "round(object.size / 1048576, 3)"}}
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from airflow_dataops.core.checked import Fault, broken, parse
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.metadata.canonical import encode
from airflow_dataops.core.metadata.evaluate import NotEvaluated, compiled
from airflow_dataops.core.metadata.faults import EventRefused, Reason, one, shown
from airflow_dataops.core.metadata.fields import AttributeValue, invalid
from airflow_dataops.core.metadata.limits import EVENT_BYTES
from airflow_dataops.core.model import Model

Document = dict[str, Any]
_PATH = re.compile(r"[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63}){0,7}")
# What decides which document an event is, and which event is newer.
_FIXED = ("schema_version", "idempotency_key", "extracted_at")
_OURS = ("order",)
_ERROR = "transforms"
_KINDS = ("drop", "rename", "default", "derive")


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise invalid("names of small letters, digits and underscores with dots between: extracted.attributes.width")
    if text.split(".", 1)[0] in (*_FIXED, *_OURS):
        raise invalid(f"a path outside of what identifies an event ({', '.join((*_FIXED, *_OURS))})")
    return text


Path = Annotated[str, AfterValidator(_path)]


class Step(Model):
    """One step: its name, and exactly one of the four things that it does.

    Attributes:
        name: What errors and metrics call it.
        drop: Paths that leave; through a list, of each of its objects. What is not there is passed over.
        rename: Path -> new path. What is not there is passed over; something at the new path is an error.
        default: Path -> value where there is none.
        derive: Path -> expression; a null result leaves nothing there.
    """

    name: str = Field(min_length=1, max_length=100)
    drop: list[Path] | None = Field(default=None, min_length=1, max_length=100)
    rename: dict[Path, Path] | None = Field(default=None, min_length=1, max_length=100)
    default: dict[Path, AttributeValue] | None = Field(default=None, min_length=1, max_length=100)
    derive: dict[Path, str] | None = Field(default=None, min_length=1, max_length=100)

    @model_validator(mode="after")
    def _does_one_thing(self) -> Step:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            message = (
                f"step {self.name!r} does {' and '.join(given) or 'nothing'}; a step does one of {', '.join(_KINDS)}"
            )
            raise broken([Fault("steps", "STEP", message, "write a step for each")], _ERROR)
        return self


class TransformSpec(Model):
    """All steps, in order.

    Attributes:
        revision: Raised whenever the steps change, so that the same event enriched by the new steps replaces the one by the old.
        steps: The steps; each name once.
    """

    revision: int = Field(default=0, ge=0, le=999_999)
    steps: list[Step] = Field(default=[], max_length=100)

    @model_validator(mode="after")
    def _steps_are_told_apart(self) -> TransformSpec:
        names = [step.name for step in self.steps]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise broken(
                [Fault("steps", "STEP", f"each step has a name of its own; twice: {', '.join(twice)}")], _ERROR
            )
        if self.steps and not self.revision:
            message = "steps need a revision, by which a store tells old results from new"
            raise broken([Fault("revision", "REVISION", message, "write revision: 1")], _ERROR)
        return self


def parse_transforms(document: Mapping[str, Any]) -> TransformSpec:
    """Return the steps that a YAML mapping describes.

    Raises:
        SpecError: Something is wrong (``TRANSFORMS_INVALID``); ``details["faults"]`` lists it all. Expressions are read as well.
    """
    spec = parse(TransformSpec, document, _ERROR, "TRANSFORMS_INVALID")
    Transforms(spec)
    return spec


class Transforms:
    """Steps, ready to be done.

    Args:
        spec: The steps.

    Raises:
        SpecError: An expression cannot be read; the message names the step and the path.
    """

    def __init__(self, spec: TransformSpec) -> None:
        self.revision = spec.revision
        self._steps = [(step.name, _doing(step)) for step in spec.steps]

    @property
    def are_none(self) -> bool:
        """True where there are no steps: every document stays as it is."""
        return not self._steps

    def apply(self, document: Mapping[str, Any]) -> Document:
        """Return what the steps make of an event's document, which stays as it was.

        Raises:
            EventRefused: A step cannot be done with this event, or its result is too large (``TRANSFORM_FAILED``); the path names the step.
        """
        made: Document = copy.deepcopy(dict(document))
        for name, do in self._steps:
            try:
                do(made)
            except NotEvaluated as error:
                raise one(
                    Reason.TRANSFORM_FAILED, f"transforms.{name}", str(error), "what the step can be done with"
                ) from None
        if self._steps:
            _check(made)
        return made


def _check(document: Document) -> None:
    try:
        size = len(encode(document))
    except ValueError as error:
        raise _failed(str(error), "finite numbers, whole ones up to 2**53 - 1") from None
    if size > EVENT_BYTES:
        raise _failed(f"{size} bytes after all steps", f"up to {EVENT_BYTES} bytes")


def _failed(received: str, valid: str) -> EventRefused:
    return one(Reason.TRANSFORM_FAILED, "transforms", received, valid)


def _doing(step: Step) -> Callable[[Document], None]:
    if step.drop is not None:
        return _each(_drop, [(path.split("."),) for path in step.drop])
    if step.rename is not None:
        return _each(_rename, [(old.split("."), new.split(".")) for old, new in step.rename.items()])
    if step.default is not None:
        return _each(_default, [(path.split("."), value) for path, value in step.default.items()])
    return _deriving(step)


def _each(change: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> Callable[[Document], None]:
    def run(document: Document) -> None:
        for given in arguments:
            change(document, *given)

    return run


def _deriving(step: Step) -> Callable[[Document], None]:
    rules = []
    for path, text in (step.derive or {}).items():
        try:
            rules.append((path.split("."), compiled(text)))
        except SpecError as error:
            message = f"step {step.name!r}, {path}: {error.message}"
            raise SpecError(message, hint=error.hint, code=error.code, details=error.details) from error

    def run(document: Document) -> None:
        for path, evaluate in rules:
            value = evaluate(document)
            if value is None:
                _drop(document, path)
            else:
                _put(document, path, value)

    return run


def _drop(value: Any, path: Sequence[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _drop(item, path)
    elif isinstance(value, dict) and len(path) == 1:
        value.pop(path[0], None)
    elif isinstance(value, dict) and path[0] in value:
        _drop(value[path[0]], path[1:])


def _rename(document: Document, old: Sequence[str], new: Sequence[str]) -> None:
    if not _has(document, old):
        return
    if _has(document, new):
        raise NotEvaluated(f"there is something at {'.'.join(new)} already")
    value = _parent(document, old)[old[-1]]
    _drop(document, old)
    _put(document, new, value)


def _default(document: Document, path: Sequence[str], value: Any) -> None:
    if not _has(document, path):
        _put(document, path, value)


def _has(document: Document, path: Sequence[str]) -> bool:
    value: Any = document
    for name in path:
        if isinstance(value, list):
            raise NotEvaluated(f"{'.'.join(path)} leads into a list")
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def _put(document: Document, path: Sequence[str], value: Any) -> None:
    _parent(document, path)[path[-1]] = value


def _parent(document: Document, path: Sequence[str]) -> Document:
    """Return the object that the last name of a path stands in; those on the way that are not there are made."""
    inner = document
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            raise NotEvaluated(f"{'.'.join(path)} leads through {shown(inner)}, which is no object")
    return inner


__all__ = ["Step", "TransformSpec", "Transforms", "parse_transforms"]
