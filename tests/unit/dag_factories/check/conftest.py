# SPDX-License-Identifier: Apache-2.0
"""A project with one right pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.dag_factories.check.broken import GOOD, PROJECT, SUITE


@pytest.fixture
def make_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes a project into an empty folder, which is the working folder; texts may be replaced."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATAOPS_TARGET", raising=False)

    def make(pipeline: str | bytes = GOOD, project: str = PROJECT, suite: str = SUITE) -> Path:
        (tmp_path / "suites").mkdir(exist_ok=True)
        (tmp_path / "dataops.yaml").write_text(project, encoding="utf-8")
        (tmp_path / "suites/orders.json").write_text(suite, encoding="utf-8")
        path = tmp_path / "orders.yaml"
        path.write_bytes(pipeline if isinstance(pipeline, bytes) else pipeline.encode())
        return path

    return make
