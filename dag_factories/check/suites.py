# SPDX-License-Identifier: Apache-2.0
"""The suite files that a pipeline names: there, inside of the project, and a suite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from airflow_dataops.core.errors import SpecError, did_you_mean
from dag_factories.check.context import Context
from dag_factories.reader import read_bytes
from dag_factories.specs.base import Path, Problem

_LARGEST = 4 * 2**20


def gates(context: Context) -> Iterator[tuple[Path, Any]]:
    """Yield the gates of a pipeline with their places."""
    quality = getattr(context.spec, "quality", None)
    for name in type(quality).model_fields if quality is not None else ():
        gate = getattr(quality, name)
        if gate is not None:
            yield ("quality", name), gate


def check_suites(context: Context) -> Iterator[Problem]:
    """Yield suites that are missing, outside of the project, or no suite."""
    right = context.project.right_suites
    for place, gate in gates(context):
        if gate.suite is not None and gate.suite not in right:
            _, problem = read_suite(context, gate.suite, (*place, "suite"))
            if problem is not None:
                yield problem
            else:
                right.add(gate.suite)


def read_suite(context: Context, name: str, place: Path) -> tuple[dict[str, Any] | None, Problem | None]:
    """Return the content of a suite file, or what is wrong with it.

    Args:
        context: The pipeline.
        name: Path of the file from the project's folder.
        place: Where the pipeline names it.
    """
    try:
        path = context.project.file_path(name)
    except SpecError as error:
        return None, Problem(place, error.code, error.message, error.hint)
    try:
        content = read_bytes(path, _LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):  # ValueError: a NUL in the name
        near = [file.relative_to(context.project.root).as_posix() for file in sorted(path.parent.glob("*.json"))]
        message = f"there is no suite {name} in {context.project.root.name}/"
        return None, Problem(
            place, "SUITE_MISSING", message, did_you_mean(name, near) or "write its path from dataops.yaml"
        )
    except OSError as error:
        return None, Problem(
            place, "SUITE_INVALID", f"{name} cannot be read: {error.strerror}", "check its permissions"
        )
    if len(content) > _LARGEST:
        return None, Problem(place, "SUITE_INVALID", f"{name} is larger than {_LARGEST} bytes", "split it")
    try:
        suite = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return None, Problem(place, "SUITE_INVALID", f"{name} is not JSON: {error}", "save the suite as JSON")
    if not isinstance(suite, dict) or not isinstance(suite.get("expectations"), list):
        hint = 'a suite is {"name": …, "expectations": [{"type": …, "kwargs": {…}}]}'
        return None, Problem(place, "SUITE_INVALID", f"{name} has no list of expectations", hint)
    return suite, None
