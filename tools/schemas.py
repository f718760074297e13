# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/schemas: the JSON schema of every document that a job takes or leaves, and of events. ``--check`` only compares."""

from __future__ import annotations

import json
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import airflow_dataops.core
from airflow_dataops.core.metadata.event import EventV1
from airflow_dataops.core.model import Model
from airflow_dataops.core.refine.spec import StageManifest
from airflow_dataops.core.tables import JobResult, JobSpec

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference" / "schemas"


def documents() -> list[type[Model]]:
    """Return the models of all documents: specs and results of every job in the core, the manifest of a publish, and events."""
    for module in pkgutil.walk_packages(airflow_dataops.core.__path__, "airflow_dataops.core."):
        import_module(module.name)
    homes = (
        ".spec",
        ".maintain",
        ".metadata.jobs",
    )  # other modules have models of their own that read more than they promise
    models = {model for base in (JobSpec, JobResult) for model in _below(base) if model.__module__.endswith(homes)}
    found = {model for model in models if isinstance(model.model_fields["job"].default, str)}  # others are bases
    return sorted({*found, StageManifest, EventV1}, key=lambda model: model.__name__)


def schemas() -> dict[str, str]:
    """Return file name -> text: a spec and an event as it is read, anything else as it is written."""
    found = {}
    for model in documents():
        mode = "validation" if issubclass(model, JobSpec | EventV1) else "serialization"
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(mode=mode)}
        found[f"{model.__name__}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return found


def main() -> int:
    """Write all schemas, or with ``--check`` say which are stale; returns the exit code."""
    wanted = schemas()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if "--check" in sys.argv[1:]:
        if stale:
            print("stale, run tools/schemas.py:", *stale, sep="\n  ")
        return int(bool(stale))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


def _below(base: type[Model]) -> Iterator[type[Model]]:
    for child in base.__subclasses__():
        yield child
        yield from _below(child)


if __name__ == "__main__":
    sys.exit(main())
