# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.errors import DataOpsError, InputError
from airflow_dataops.core.refine.spec import StageManifest
from airflow_dataops.jobs.records import write_document
from tests.unit.jobs.gate import GateLake, bad_rows

TYPES = {"id": "bigint", "month": "string"}


@pytest.fixture
def lake(tmp_path: Path) -> GateLake:
    made = GateLake(tmp_path)
    made.staged(
        ("month=01/a-0.parquet", {"id": [1, None, 3]}, {"month": "01"}),
        ("month=02/a-1.parquet", {"id": [4, 5]}, {"month": "02"}),
        ("month=03/a-2.parquet", {"id": [-1]}, {"month": "03"}),
        types=TYPES,
    )
    return made


def gate(lake: GateLake, rules: list[Any], **options: Any) -> Any:
    return lake.gate(rules, source=None, task="gate_silver", **options)


def rows_of(lake: GateLake) -> list[int | None]:
    files = [Path(lake.layout.staged_table, file.path) for file in lake.manifest().files]
    return [value for file in files for value in pq.read_table(file, partitioning=None).column("id").to_pylist()]


def test_partition_columns_have_the_type_they_were_made_from(lake: GateLake) -> None:
    result = gate(lake, [{"in_set": ["month", ["01", "02", "03"]]}, {"row_count": [6, 6]}], on_failure="fail")
    assert result.verdict == "passed"
    assert [(column.name, column.type) for column in result.columns] == [("id", "bigint"), ("month", "string")]


def test_bad_rows_are_taken_out_of_the_files_that_hold_them(lake: GateLake) -> None:
    before = lake.manifest()
    result = gate(lake, [{"not_null": "id"}, {"between": ["id", 0, None]}])
    assert (result.verdict, result.rows.read, result.rows.quarantined, result.rows.written) == ("quarantined", 6, 2, 4)
    assert rows_of(lake) == [1, 3, 4, 5]
    after = lake.manifest()
    assert [(file.path, file.rows) for file in after.files] == [
        ("month=01/a-0.gate_silver.parquet", 2),
        ("month=02/a-1.parquet", 2),
    ]
    assert after.files[1] == before.files[1]
    assert after.files[0].bytes == Path(lake.layout.staged_table, after.files[0].path).stat().st_size
    assert pq.read_schema(Path(lake.layout.staged_table, after.files[0].path)).names == ["id"]


def test_a_gate_that_runs_again_loses_no_bad_row(lake: GateLake) -> None:
    first = gate(lake, [{"not_null": "id"}])
    after = lake.manifest()
    again = gate(lake, [{"not_null": "id"}])
    assert again.rows == first.rows
    assert len(bad_rows(again.quarantine_uri)) == 1
    assert lake.manifest() == after


def test_what_is_staged_anew_is_what_the_next_gate_sees(lake: GateLake) -> None:
    gate(lake, [{"not_null": "id"}])
    lake.staged(("a-0.parquet", {"id": [7], "month": ["01"]}, {}), types=TYPES)
    result = gate(lake, [{"not_null": "id"}, {"row_count": [1, 1]}])
    assert (result.verdict, result.rows.read) == ("passed", 1)


def test_a_refine_step_that_staged_just_the_rest_is_not_taken_for_this_gates_work(lake: GateLake) -> None:
    gate(lake, [{"between": ["id", 0, None]}])
    Path(lake.layout.staged_table, "month=03/a-2.parquet").unlink()
    result = gate(lake, [{"between": ["id", 0, None]}])
    assert (result.verdict, result.rows.read) == ("passed", 5)


@pytest.mark.parametrize("on_failure", ["fail", "warn"])
def test_only_a_gate_that_quarantines_touches_what_is_staged(lake: GateLake, on_failure: str) -> None:
    before = lake.manifest()
    gate(lake, [{"not_null": "id"}], on_failure=on_failure)
    assert lake.manifest() == before


def test_a_gate_that_failed_touches_nothing(lake: GateLake) -> None:
    before = lake.manifest()
    assert gate(lake, [{"not_null": "id"}], max_quarantine_ratio=0.1).verdict == "failed"
    assert lake.manifest() == before


def test_a_manifest_that_is_not_of_these_files_changes_nothing(lake: GateLake) -> None:
    manifest = lake.manifest()
    wrong = manifest.model_copy(
        update={"files": [manifest.files[0].model_copy(update={"rows": 4}), *manifest.files[1:]]}
    )
    write_document(lake.layout.manifest, wrong)
    with pytest.raises(DataOpsError) as caught:
        gate(lake, [{"not_null": "id"}])
    assert caught.value.code == "STAGE_MISMATCH"
    assert lake.manifest() == wrong


def test_nothing_was_staged(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        gate(GateLake(tmp_path), [{"not_null": "id"}])
    assert caught.value.code == "STAGE_MISSING"


def test_a_staged_table_without_rows(tmp_path: Path) -> None:
    lake = GateLake(tmp_path)
    write_document(lake.layout.manifest, StageManifest(files=[], columns=TYPES))
    assert gate(lake, [{"not_null": "id"}, {"unique": "month"}]).verdict == "passed"
    assert gate(lake, [{"row_count": {"min": 1}}]).verdict == "failed"
