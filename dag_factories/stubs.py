# SPDX-License-Identifier: Apache-2.0
"""The three-line DAG file beside each pipeline file, which makes a bad YAML an import error of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dag_factories.discover import find_pipelines

# Airflow's safe mode reads only files with the words "airflow" and "dag" in them, and skips all others without a word.
_TEXT = '''# SPDX-License-Identifier: Apache-2.0
"""The airflow dag of {name}; the words "airflow" and "dag" let Airflow's safe mode find this file."""

from dag_factories import load_dag

dag = load_dag(__file__)
'''
_OURS = ("load_dag(__file__)", "from dag_factories import")


@dataclass(frozen=True)
class Stub:
    """A stub beside a pipeline file.

    Attributes:
        pipeline: The pipeline file.
        path: The stub.
        state: ``current``; ``missing``; ``stale`` (ours, with another text that still works); ``foreign`` (a file of somebody else's, which
            is never touched); ``orphan`` (ours, and its pipeline file is gone).
    """

    pipeline: Path
    path: Path
    state: Literal["current", "missing", "stale", "foreign", "orphan"]


def stub_text(pipeline: Path) -> str:
    """Return the text of the stub of a pipeline file."""
    return _TEXT.format(name=pipeline.name)


def find_stubs(paths: Iterable[Path]) -> list[Stub]:
    """Return the stubs of pipeline files and of whole folders, whether they are there or not."""
    found: dict[Path, Stub] = {}
    for path in paths:
        pipelines = find_pipelines(path) if path.is_dir() else [path]
        for pipeline in pipelines:
            stub = pipeline.with_suffix(".py")
            found[stub] = Stub(pipeline, stub, _state(pipeline, stub))
        if path.is_dir():
            found.update({stub.path: stub for stub in _orphans(path, found)})
    return [found[path] for path in sorted(found)]


def write_stubs(stubs: Iterable[Stub]) -> list[Path]:
    """Write those that are missing; returns them. What is there is never changed."""
    written = []
    for stub in stubs:
        if stub.state == "missing":
            with stub.path.open("x", encoding="utf-8") as stream:
                stream.write(stub_text(stub.pipeline))
            written.append(stub.path)
    return written


def _state(pipeline: Path, stub: Path) -> Literal["current", "missing", "stale", "foreign"]:
    if not stub.exists():
        return "missing"
    text = _read(stub)
    if text == stub_text(pipeline):
        return "current"
    works = "airflow" in text.lower() and "dag" in text.lower()
    return "stale" if works and all(part in text for part in _OURS) else "foreign"


def _orphans(folder: Path, known: dict[Path, Stub]) -> list[Stub]:
    found = []
    for path in folder.rglob("*.py"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path not in known and not hidden and all(part in _read(path) for part in _OURS):
            found.append(Stub(path.with_suffix(".yaml"), path, "orphan"))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
