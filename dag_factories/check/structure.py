# SPDX-License-Identifier: Apache-2.0
"""Data against a typed model: every error as a problem with its place, and the model of what is left without the wrong parts."""

from __future__ import annotations

import copy
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from airflow_dataops.core.errors import did_you_mean
from dag_factories.specs.base import Path, Problem

_TYPES = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "none_required": "null",
}
_BOUNDS = {
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "too_short": "{min_length} or more entries",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "a text of the form {pattern}",
}
_SCALARS = frozenset(
    {"string_type", "bool_type", "bool_parsing", "float_type", "int_type", "none_required", "decimal_type"}
)
M = TypeVar("M", bound=BaseModel)

_HIDDEN = ("salt", "password", "secret", "token")


class Checked(NamedTuple, Generic[M]):
    """What became of the data.

    Attributes:
        model: The model, of the data without its wrong parts; None where too little is left.
        problems: What is wrong.
        removed: Paths of the parts that were left out.
    """

    model: M | None
    problems: list[Problem]
    removed: list[Path]


def validate(model: type[M], data: Mapping[str, Any]) -> Checked[M]:
    """Check data against a model.

    Args:
        model: The model.
        data: The file's mapping.

    Returns:
        Every problem of the data. Where there are some, the model is made of what is right, so that later checks can go on.
    """
    problems: list[Problem] = []
    removed: list[Path] = []
    rest: Any = data
    for _ in range(8):
        try:
            return Checked(model.model_validate(rest), problems, removed)
        except ValidationError as error:
            found = _problems(model, rest, error)
            problems.extend(problem for problem in found if not _follows(problem, removed))
            rest = copy.deepcopy(rest) if rest is data else rest
            before = len(removed)
            for problem in found:
                _remove(rest, problem, removed)
            if len(removed) == before:
                break
    return Checked(None, problems, removed)


def fields_at(model: type[BaseModel], path: Sequence[Any]) -> dict[str, Any]:
    """Return the keys that may stand in the mapping at ``path``: name in the file -> pydantic field. Empty where any key may."""
    kinds: list[Any] = [model]
    for step in path:
        kinds = [deeper for kind in kinds for deeper in _step(kind, step)]
    found: dict[str, Any] = {}
    for kind in kinds:
        if _is_model(kind):
            found.update({(info.alias or name): info for name, info in kind.model_fields.items()})
    return found


def _problems(model: type[BaseModel], data: Any, error: ValidationError) -> list[Problem]:
    grouped: dict[tuple[Path, bool], list[Any]] = {}
    for detail in error.errors(include_url=False):
        path, left = _real(data, detail["loc"])
        missing = detail["type"] in ("missing", "extra_forbidden")
        grouped.setdefault((path, missing), []).append({**detail, "left": left})
    every = [path for path, _ in grouped]
    found = []
    for (path, missing), details in grouped.items():
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other in every)
        lacks = not missing and (path, True) in grouped
        if (deeper or lacks) and all(detail["type"] in _SCALARS for detail in details):
            continue  # a union: the author wrote the mapping, so that it is no text is nothing to say
        found += _of_one_place(model, path, details)
    return found


def _of_one_place(model: type[BaseModel], path: Path, details: list[Any]) -> list[Problem]:
    """Return the problems at one place; several wrong types there are the branches of one union."""
    wrong_types = [detail for detail in details if detail["type"] in _TYPES and detail["left"][-1:] != ("[key]",)]
    others = [detail for detail in details if detail not in wrong_types]
    found = []
    if wrong_types and not others:
        wanted = " or ".join(dict.fromkeys(_TYPES[detail["type"]] for detail in wrong_types))
        received = _received(path, wrong_types[0]["input"])
        message = f"{_name(path)} takes {wanted}, not {received}"
        found.append(Problem(path, "WRONG_TYPE", message, _rewrite(wrong_types[0])))
    return found + [_one(model, path, detail) for detail in others]


def _one(model: type[BaseModel], path: Path, detail: Any) -> Problem:
    kind, context, left = detail["type"], detail.get("ctx") or {}, detail["left"]
    if left[-1:] == ("[key]",) or kind == "invalid_key":
        message = f"the key {path[-1] if path else ''!r} is no text"
        return Problem(path, "WRONG_TYPE", message, "put the key in quotes", on_key=True)
    if kind == "extra_forbidden":
        return _unknown_key(model, path)
    if kind == "missing":
        message = f"the key {left[-1]!r} is missing{_within(path)}"
        return Problem(path, "MISSING_KEY", message, f"add {left[-1]}: …", on_key=True)
    return _value(path, detail, kind, context)


def _value(path: Path, detail: Any, kind: str, context: Mapping[str, Any]) -> Problem:
    if "hint" in context:
        at = path + ((context["at"],) if "at" in context else ())
        return Problem(at, kind.upper(), detail["msg"], context["hint"])
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        expected = context.get("expected") or context.get("expected_tags")
        return _choice(path, context.get("tag", detail["input"]), str(expected))
    wanted = _BOUNDS[kind].format(**context) if kind in _BOUNDS else f"something else ({detail['msg']})"
    return Problem(path, "BAD_VALUE", f"{_name(path)} takes {wanted}, not {_received(path, detail['input'])}")


def _unknown_key(model: type[BaseModel], path: Path) -> Problem:
    key, parent = str(path[-1]), path[:-1]
    known = list(fields_at(model, parent))
    home = None if parent else _home(model, key)
    hint = f"it belongs under {home}:" if home else did_you_mean(key, known) or f"known are: {', '.join(known)}"
    return Problem(path, "UNKNOWN_KEY", f"unknown key {key!r}{_within(parent)}", hint, on_key=True)


def _home(model: type[BaseModel], key: str) -> str | None:
    """Return the top-level key under which ``key`` would be known; for a key at a wrong level."""
    for name, info in model.model_fields.items():
        if any(_is_model(kind) and key in kind.model_fields for kind in _branches(info.annotation)):
            return info.alias or name
    return None


def _choice(path: Path, received: Any, expected: str) -> Problem:
    known = [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]
    hint = did_you_mean(str(received), known)
    return Problem(path, "BAD_VALUE", f"{_name(path)} takes {', '.join(known)}, not {_received(path, received)}", hint)


def _real(data: Any, loc: Sequence[Any]) -> tuple[Path, tuple[Any, ...]]:
    """Return the part of a location that exists in the data, without the names of union branches, and what is left at its end."""
    path: list[Any] = []
    here = data
    left: list[Any] = []
    for step in loc:
        if (isinstance(here, dict) and step in here) or (
            isinstance(here, list) and isinstance(step, int) and step < len(here)
        ):
            here = here[step]
        else:
            left.append(step)
            continue
        path.append(step)
    return tuple(path), tuple(left)


def _remove(data: Any, problem: Problem, removed: list[Path]) -> None:
    """Take the wrong part out: the value, or, where a key is missing, what it is missing in."""
    lists = [index for index, step in enumerate(problem.path) if isinstance(step, int)]
    path = problem.path[: lists[0]] if lists else problem.path  # of a list, all goes: its other indices stay true
    here = data
    for step in path[:-1]:
        here = here.get(step) if isinstance(here, dict) else None
    if path and isinstance(here, dict) and path[-1] in here:
        del here[path[-1]]
        removed.append(path)


def _follows(problem: Problem, removed: list[Path]) -> bool:
    """Return whether the problem is only there because a wrong part was taken out."""
    places = [problem.path]
    if problem.code == "MISSING_KEY":
        places.append((*problem.path, problem.message.split("'")[1]))
    return any(place[: len(path)] == path for place in places for path in removed)


def _step(kind: Any, step: Any) -> list[Any]:
    if _is_model(kind):
        info = next((info for name, info in kind.model_fields.items() if (info.alias or name) == step), None)
        return _branches(info.annotation) if info is not None else []
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is dict:
        return _branches(arguments[1])
    return _branches(arguments[0]) if typing.get_origin(kind) is list else []


def _branches(annotation: Any) -> list[Any]:
    """Return the alternatives of an annotation, ``Annotated`` and ``Optional`` taken off."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _branches(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [branch for part in typing.get_args(annotation) for branch in _branches(part)]
    return [annotation]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _name(path: Path) -> str:
    return ".".join(str(step) for step in path) or "the file"


def _within(path: Path) -> str:
    return f" in {_name(path)}" if path else ""


def _received(path: Path, value: Any) -> str:
    if any(word in str(step).lower() for step in path[-1:] for word in _HIDDEN):
        return "what stands there"
    if isinstance(value, dict | list):
        kind = ("keys and values", "no keys and values") if isinstance(value, dict) else ("a list", "an empty list")
        return kind[not value]
    if value is None or isinstance(value, bool):
        return {None: "null (nothing)", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _rewrite(detail: Any) -> str | None:
    """Return what to type where the value is right and only its form is not."""
    value = detail["input"]
    if detail["type"] == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return f'write it in quotes: "{value}"'
    if detail["type"] == "list_type" and isinstance(value, str):
        return f"write it as a list: [{json.dumps(value, ensure_ascii=False)}]"
    return None
