# SPDX-License-Identifier: Apache-2.0
"""Write the tables of docs/reference/yaml.md from the typed models and their docstrings. ``--check`` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel

from dag_factories.describe import attributes, models, summary
from dag_factories.explain import type_text
from dag_factories.project import Defaults, ProjectSpec
from dag_factories.specs import kinds, spec_of
from dag_factories.specs.base import PipelineSpec

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "yaml.md"
MARK = "<!-- The rest is written by tools/yaml_reference.py. -->\n"


def table(title: str, model: type[BaseModel], without: set[str] | None = None) -> str:
    """Return the section of one model."""
    texts = attributes(model)
    rows = [
        f"| `{info.alias or name}`{' (required)' if info.is_required() else ''} | {_cell(type_text(info))} | {_cell(texts.get(name, ''))} |"
        for name, info in model.model_fields.items()
        if name not in (without or set())
    ]
    if not rows:
        return ""
    return "\n".join([f"### {title}", "", summary(model), "", "| key | type | meaning |", "|---|---|---|", *rows, ""])


def tables() -> str:
    """Return all sections: what every kind has, each kind, and the project file."""
    shared = set(PipelineSpec.model_fields)
    parts = ["## Every pipeline\n", table("Top level", PipelineSpec)]
    done = {"PipelineSpec", "Model"}
    parts += _inside(PipelineSpec, done)
    for kind in kinds():
        spec = spec_of(kind)
        done.add(spec.__name__)
        parts += [f"## Kind `{kind}`\n", table("Its own keys", spec, shared), *_inside(spec, done)]
    done |= {"ProjectSpec", "Defaults"}
    inherited = set(Defaults.model_fields) - {"dag"}
    parts += ["## dataops.yaml\n", table("Keys of the file", ProjectSpec), table("defaults", Defaults, inherited)]
    parts += list(_inside(ProjectSpec, {*done, "DagDefaults"}))
    return "\n".join(part for part in parts if part)


def main() -> int:
    """Write the tables, or with ``--check`` say whether they are stale; returns the exit code."""
    text = PAGE.read_text(encoding="utf-8")
    head = text.split(MARK)[0]
    wanted = f"{head}{MARK}\n{tables()}"
    if "--check" in sys.argv[1:]:
        if text != wanted:
            print(f"{PAGE.name} is stale, run tools/yaml_reference.py")
        return int(text != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


def _inside(model: type[BaseModel], done: set[str]) -> list[str]:
    found = []
    for name, part in sorted(models(model).items()):
        if name not in done:
            done.add(name)
            found.append(table(name, part))
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
