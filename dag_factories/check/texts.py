# SPDX-License-Identifier: Apache-2.0
"""Every text of a file: references where they may stand, and no Jinja anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from airflow_dataops.core.errors import SpecError
from dag_factories.check.context import Context
from dag_factories.references import looks_like_reference, parse, refuse_password
from dag_factories.specs.base import Path, PipelineSpec, Problem

_JINJA = re.compile(r"\{\{|\{%")
_NESTED = (dict, list)


def check_texts(context: Context) -> Iterator[Problem]:
    """Yield references that are unknown or stand where they have no value, and Jinja."""
    allowed, free = _patterns(context.model)
    found: list[tuple[Path, str]] = []
    _collect(context.data, (), found)
    for path, text in found:
        if path not in allowed and any(_matches(path, pattern) for pattern in free):
            continue
        if jinja := _JINJA.search(text):
            message = "Jinja is not rendered in a pipeline file"
            yield Problem(path, "JINJA_IN_YAML", message, "write ${run.date} for the run's date", offset=jinja.start())
            continue
        kinds = allowed.get(path) or next(
            (kinds for pattern, kinds in allowed.items() if _matches(path, pattern)), None
        )
        if kinds is not None:
            for problem in reference_problems(path, text, kinds, is_path="lake" in kinds):
                yield problem._replace(hint=problem.hint or _hint(context.model, path))
        elif (offset := looks_like_reference(text)) is not None:
            where = ", ".join(context.model.REFERENCES)
            message = f"references are not expanded in {'.'.join(map(str, path))}"
            yield Problem(path, "REFERENCE_NOT_ALLOWED", message, f"they may stand in: {where}", offset=offset)


def reference_problems(path: Path, text: str, kinds: Any, *, is_path: bool = False) -> Iterator[Problem]:
    """Yield what is wrong with the references of one text; of a path also one that stands for a password."""
    try:
        refs = parse(text, kinds)
        if is_path:
            refuse_password(refs)
    except SpecError as error:
        yield Problem(path, error.code, error.message, error.hint, offset=error.details.get("offset"))


@cache
def _patterns(model: type[PipelineSpec]) -> tuple[dict[Path, Any], list[tuple[str, ...]]]:
    """Return where references may stand, with their kinds, and where anything may."""
    allowed: dict[Path, Any] = {tuple(path.split(".")): kinds for path, kinds in model.REFERENCES.items()}
    return allowed, [tuple(path.split(".")) for path in model.FREE_TEXT]


def _collect(value: Any, path: Path, found: list[tuple[Path, str]]) -> None:
    """Add the texts with a brace and their places; most of a file has none, and is passed by quickly."""
    for step, child in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(child, str):
            if "{" in child:
                found.append(((*path, step), child))
        elif isinstance(child, _NESTED):
            _collect(child, (*path, step), found)


def _hint(model: type[PipelineSpec], path: Path) -> str | None:
    hints = model.REFERENCE_HINTS.items()
    return next((hint for pattern, hint in hints if _matches(path, tuple(pattern.split(".")))), None)


def _matches(path: Path, pattern: Path) -> bool:
    if pattern[-1:] == ("**",):
        pattern = pattern[:-1]
        return len(path) > len(pattern) and _matches(path[: len(pattern)], pattern)
    return len(path) == len(pattern) and all(want in ("*", str(have)) for have, want in zip(path, pattern, strict=True))
