# SPDX-License-Identifier: Apache-2.0
"""A new pipeline is right from the start, and nothing that was there is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.core.errors import SpecError
from dag_factories.check.files import check_files
from dag_factories.scaffold import scaffold
from dag_factories.specs import kinds


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.delenv("DATAOPS_TARGET", raising=False)
    return tmp_path


@pytest.mark.parametrize("kind", kinds())
def test_a_new_pipeline_has_no_findings(kind: str, folder: Path) -> None:
    written = scaffold(kind, "orders", folder)
    assert {path.name for path in written} >= {"orders.yaml", "orders.py", "dataops.yaml"}
    assert check_files([folder]).findings == []


def test_a_second_pipeline_joins_the_project(folder: Path) -> None:
    scaffold("bronze_to_silver", "orders", folder)
    (folder / "dataops.yaml").write_text(
        "version: 1\nmasks: {email: drop}\nalerts: {pager: {notifier: log}, chat: {notifier: log}}\n", encoding="utf-8"
    )
    written = scaffold("bronze_to_silver", "returns", folder / "sub", sample=False, stub=False)
    assert [path.name for path in written] == ["returns.yaml"]
    assert "drop" in (folder / "dataops.yaml").read_text(encoding="utf-8")
    assert check_files([folder]).findings == []


def test_an_existing_pipeline_is_refused(folder: Path) -> None:
    scaffold("bronze_to_silver", "orders", folder)
    with pytest.raises(SpecError, match="FILE_EXISTS"):
        scaffold("bronze_to_silver", "orders", folder)


@pytest.mark.parametrize("name", ["", "Orders", "my orders", "../x", "1x", "a-b", "orders.yaml"])
def test_a_name_that_is_none_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(SpecError, match="no name for a pipeline"):
        scaffold("bronze_to_silver", name, folder)


def test_an_unknown_kind_is_refused(folder: Path) -> None:
    with pytest.raises(SpecError, match="UNKNOWN_KIND"):
        scaffold("bronze_to_gold", "orders", folder)
