# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.jobs.dq_gate import run_gate
from tests.unit.jobs.gate import bad_rows

COLUMNS = {"id": [1, 2, None], "name": ["a", "b", "b"]}
SUITE = {"expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}]}


def frame(kind: str, folder: Path) -> Any:
    table = pa.table(COLUMNS)
    if kind == "pandas":
        return pd.DataFrame(COLUMNS)
    if kind == "arrow":
        return table
    path = folder / f"table.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    elif kind == "csv":
        path.write_text("id,name\n1,a\n2,b\n,b\n", encoding="utf-8")
    else:
        path.write_text('{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n{"id": null, "name": "b"}\n', encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["pandas", "arrow", "parquet", "csv", "jsonl"])
def test_frames_and_files(kind: str, tmp_path: Path) -> None:
    result = run_gate(SUITE, frame(kind, tmp_path))
    assert (result.verdict, result.rules[0].unexpected) == ("failed", 1)
    assert result.to_gx_dict()["results"][0]["result"]["unexpected_count"] == 1


def test_a_suite_by_its_file_or_rules_in_the_short_form(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    path.write_text(json.dumps(SUITE), encoding="utf-8")
    assert run_gate(path, pa.table(COLUMNS)).rules[0].unexpected == 1
    assert run_gate(str(path), pa.table(COLUMNS)).rules[0].unexpected == 1
    assert run_gate([{"unique": "name"}], pa.table(COLUMNS)).rules[0].unexpected == 2


def test_bad_rows_go_where_they_are_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "deep/bad.parquet"
    result = run_gate(SUITE, pa.table(COLUMNS), quarantine=target)
    assert (result.verdict, result.quarantine_uri) == ("quarantined", str(target))
    assert [row["name"] for row in bad_rows(str(target))] == ["b"]
    assert run_gate([{"not_null": "name"}], pa.table(COLUMNS), quarantine=target).quarantine_uri is None
    assert not target.exists()


def test_without_a_place_for_them_bad_rows_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert run_gate(SUITE, pa.table(COLUMNS)).quarantine_uri is None


@pytest.mark.parametrize(
    ("suite", "data", "options", "error", "code"),
    [
        ("/nowhere/suite.json", pa.table(COLUMNS), {}, SpecError, "SUITE_UNREADABLE"),
        (None, pa.table(COLUMNS), {}, SpecError, "SUITE_UNREADABLE"),
        (SUITE, 5, {}, InputError, "DATA_UNSUPPORTED"),
        (SUITE, "/nowhere/table.parquet", {}, InputError, "SOURCE_MISSING"),
        (SUITE, pa.table(COLUMNS), {"engine": "dask"}, SpecError, "UNKNOWN_ENGINE"),
        ({"expectations": []}, pa.table(COLUMNS), {}, SpecError, "GATE_WITHOUT_RULES"),
    ],
)
def test_what_cannot_be_checked(
    suite: Any, data: Any, options: dict[str, Any], error: type[Exception], code: str
) -> None:
    with pytest.raises(error) as caught:
        run_gate(suite, data, **options)
    assert getattr(caught.value, "code", None) == code
