# SPDX-License-Identifier: Apache-2.0
"""JSON Schema of the files, for editors: completion, help and errors while typing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow_dataops.core.errors import unknown_name
from dag_factories.describe import attributes, models, summary
from dag_factories.project import FILE_NAME, ProjectSpec
from dag_factories.specs import kinds, spec_of

PROJECT = "project"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(".dataops") / "schema"


def names() -> list[str]:
    """Return what there is a schema of: every kind, and ``project`` for ``dataops.yaml``."""
    return [*kinds(), PROJECT]


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind, or of ``dataops.yaml`` for the name ``project``.

    Raises:
        SpecError: There is no such kind (``UNKNOWN_KIND``).
    """
    if name not in names():
        raise unknown_name("kind", name, names(), code="UNKNOWN_KIND")
    model = ProjectSpec if name == PROJECT else spec_of(name)
    schema = model.model_json_schema(by_alias=True, mode="validation")
    known = models(model)
    _describe(schema, known[model.__name__])
    for title, part in schema.get("$defs", {}).items():
        if title in known:
            _describe(part, known[title])
    title = FILE_NAME if name == PROJECT else f"Pipeline of the kind {name}"
    return {"$schema": DRAFT, **schema, "title": title}


def schema_of_any() -> dict[str, Any]:
    """Return one schema for every pipeline file: the kind in the file chooses what else is valid."""
    chosen = []
    definitions: dict[str, Any] = {}
    for kind in kinds():
        schema = schema_of(kind)
        definitions |= schema.pop("$defs", {})
        schema.pop("$schema")
        condition = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
        chosen.append({"if": condition, "then": schema})
    known = {"kind": {"enum": kinds(), "description": "Kind of the pipeline"}}
    head = {"$schema": DRAFT, "title": "Pipeline", "type": "object", "required": ["version", "kind", "name"]}
    return {**head, "properties": known, "allOf": chosen, "$defs": definitions}


def write_schemas(root: Path) -> list[Path]:
    """Write the schemas of all kinds and of ``dataops.yaml`` into ``.dataops/schema`` of a project; returns the files."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in names():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(schema_of(name), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def _describe(schema: dict[str, Any], model: Any) -> None:
    schema["description"] = summary(model)
    texts = attributes(model)
    for name, info in model.model_fields.items():
        part = schema.get("properties", {}).get(info.alias or name)
        if part is not None and name in texts:
            part.pop("title", None)
            part["description"] = texts[name]
