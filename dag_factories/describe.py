# SPDX-License-Identifier: Apache-2.0
"""What a model's docstring says of its fields: the one text behind ``schema``, ``explain`` and the reference."""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import Any

from pydantic import BaseModel

_FIELD = re.compile(r"^(\w+): (.*)$")
_ROLE = re.compile(r":[a-z]+:`~?(?:[\w.]+\.)?(\w+)`")


def summary(model: type[BaseModel]) -> str:
    """Return the first paragraph of a model's docstring, as plain text."""
    return _plain(inspect.getdoc(model) or "").split("\n\n")[0].replace("\n", " ")


def attributes(model: type[BaseModel]) -> dict[str, str]:
    """Return field -> its text in the ``Attributes`` section, those of base classes included."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base.__doc__:
            found |= _section(inspect.cleandoc(base.__doc__))
    return found


def models(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return name -> class of a model and of all models inside of it."""
    found: dict[str, type[BaseModel]] = {}
    waiting: list[Any] = [model]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind.__name__ not in found:
                found[kind.__name__] = kind
                waiting += [info.annotation for info in kind.model_fields.values()]
        else:
            waiting += [part for part in typing.get_args(kind) if part is not type(None)]
    return found


def branches(annotation: Any) -> list[Any]:
    """Return the alternatives of an annotation; ``Annotated`` is taken off, ``None`` stays."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return branches(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [branch for part in typing.get_args(annotation) for branch in branches(part)]
    return [annotation]


def _section(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    name = None
    lines = text.split("\n")
    if "Attributes:" not in lines:
        return found
    for line in lines[lines.index("Attributes:") + 1 :]:
        if line and not line.startswith(" "):
            break
        match = _FIELD.match(line[4:])
        if match and not line.startswith("     "):
            name = match[1]
            found[name] = match[2]
        elif name and line.strip():
            found[name] += " " + line.strip()
    return {key: _plain(value) for key, value in found.items()}


def _plain(text: str) -> str:
    return _ROLE.sub(r"\1", text).replace("``", "`")
