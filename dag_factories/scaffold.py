# SPDX-License-Identifier: Apache-2.0
"""``dataops new``: a commented pipeline that runs at once, with a project around it where there is none."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from airflow_dataops.core.errors import SpecError, unknown_name
from dag_factories.project import FILE_NAME, find_root
from dag_factories.specs import kinds
from dag_factories.stubs import stub_text

_NAME = re.compile(r"[a-z][a-z0-9_]*")

PROJECT_TEXT = """\
# Where pipelines run, and what holds for all of them. Explained by `dataops explain project`.
version: 1
default_target: local

targets:
  local: {engine: duckdb, runner: local, lake: ./lake}

defaults:
  owner: data-team
  retries: 3
  retry_delay: 5m

# What a tag means is said once, here; a pipeline only says that a column is an e-mail address.
masks:
  email: sha256

alerts:
  pager: {notifier: log}
  chat: {notifier: log}
"""


def scaffold(kind: str, name: str, folder: Path, *, sample: bool = True, stub: bool = True) -> list[Path]:
    """Write a new pipeline and what it needs; nothing that is there is changed.

    Args:
        kind: Kind of the pipeline.
        name: Its name; the file becomes ``<name>.yaml``.
        folder: Where it goes.
        sample: Whether to write a few rows of data, so that it runs at once.
        stub: Whether to write the DAG file beside it.

    Returns:
        The files that were written.

    Raises:
        SpecError: The kind is unknown, the name is not usable, or the pipeline is there already (``FILE_EXISTS``).
    """
    if kind not in kinds():
        raise unknown_name("kind", kind, kinds(), code="UNKNOWN_KIND")
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} is no name for a pipeline",
            hint="write small letters, digits and underscores, a letter first: orders_daily",
            code="BAD_VALUE",
        )
    module = import_module(f"dag_factories.specs.{kind}")
    path = folder / f"{name}.yaml"
    if path.exists():
        raise SpecError(f"{path} is there already", hint="choose another name", code="FILE_EXISTS")
    folder.mkdir(parents=True, exist_ok=True)
    root = find_root(folder.resolve())
    texts = {path: module.EXAMPLE.replace("{name}", name)}
    if root is None:
        root = folder
        texts[folder / FILE_NAME] = PROJECT_TEXT
    if stub:
        texts[path.with_suffix(".py")] = stub_text(path)
    if sample:
        texts |= {root / where.replace("{name}", name): text for where, text in module.SAMPLE.items()}
    return [file for file, text in texts.items() if _write(file, text)]


def _write(path: Path, text: str) -> bool:
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)
    return True
