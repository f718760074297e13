# SPDX-License-Identifier: Apache-2.0
"""The refine job on real files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.errors import DataOpsError, GateFailed, InputError, SpecError
from airflow_dataops.core.refine.spec import (
    CastSpec,
    CleanSpec,
    DedupSpec,
    DriftSpec,
    RefineResult,
    RefineSpec,
    StageManifest,
)
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import (
    FullSlice,
    MaskSpec,
    QuarantineSpec,
    SecretRef,
    SourceSpec,
    TargetSpec,
    WindowSlice,
)
from airflow_dataops.jobs import dq_gate
from airflow_dataops.jobs.process import execute
from airflow_dataops.jobs.refine import explain, rendered_sql, run

DAY = RunContext(
    pipeline="orders",
    key="2013-01-01",
    interval_start=datetime(2013, 1, 1, tzinfo=UTC),
    interval_end=datetime(2013, 1, 2, tzinfo=UTC),
)
SALTED = MaskSpec(kind="sha256", salt=SecretRef(secret="env:SALT"))
ROWS = [
    {"id": 1, "email": "a@x.org", "amount": "10", "at": "2013-01-01T01:00:00Z"},
    {"id": 2, "email": None, "amount": "2.0", "at": "2013-01-01T02:00:00Z"},
    {"id": 2, "email": "c@x.org", "amount": "3", "at": "2013-01-01T03:00:00Z"},
    {"id": 3, "email": "d@x.org", "amount": "many", "at": "2013-01-02T00:00:00Z"},
    {"id": None, "email": "e@x.org", "amount": None, "at": "soon"},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "bronze"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "orders.parquet")
    return folder


def spec_for(bronze: Path, /, **changes: Any) -> RefineSpec:
    lake = str(bronze.parent / "lake")
    told: dict[str, Any] = {
        "task": "refine",
        "lake": lake,
        "run": DAY,
        "source": SourceSpec(path=str(bronze)),
        "slice": FullSlice(),
        "target": TargetSpec(path=f"{lake}/silver/orders"),
    }
    return RefineSpec(**(told | changes))


def staged(spec: RefineSpec) -> list[dict[str, Any]]:
    files = f"{spec.lake}/.dataops/staging/orders/2013-01-01/table/**/*.parquet"
    return (
        duckdb.connect()
        .sql(f"select * from read_parquet('{files}', hive_partitioning = true) order by all")
        .to_arrow_table()
        .to_pylist()
    )


def quarantined(spec: RefineSpec) -> list[dict[str, Any]]:
    return pq.read_table(f"{spec.lake}/.dataops/staging/orders/2013-01-01/quarantine/refine.parquet").to_pylist()


def quietly(spec: RefineSpec, **secrets: str) -> RefineResult:
    return run(spec, secrets={f"env:{k}": v for k, v in secrets.items()}, progress=lambda _: None)


def test_without_steps_every_row_is_staged_as_it_is(source: Path) -> None:
    result = quietly(spec_for(source))
    assert (result.rows.read, result.rows.written, result.files) == (5, 5, 1)
    assert [(c.name, c.type, c.nulls) for c in result.columns] == [
        ("id", "bigint", 1), ("email", "string", 1), ("amount", "string", 1), ("at", "string", 0),
    ]  # fmt: skip


def test_every_row_is_accounted_for_by_its_first_cause(source: Path) -> None:
    clean = CleanSpec(
        cast={
            "amount": CastSpec(type="integer", on_error="quarantine"),
            "at": CastSpec(type="timestamp", on_error="null"),
        },
        drop_nulls=["at", "email"],
        keep_if=["amount > 0"],
        dedup=DedupSpec(keys=["id"], order_by=["at"]),
    )
    result = quietly(spec_for(source, clean=clean))
    assert result.rows.model_dump() == {
        "read": 5,
        "quarantined": 1,
        "dropped": {"drop_nulls(at)": 1, "drop_nulls(email)": 1, "keep_if(amount > 0)": 0},
        "deduplicated": 0,
        "written": 2,
    }
    assert result.casts_to_null == {"at": 1}


def test_the_manifest_names_every_file_and_column(source: Path) -> None:
    spec = spec_for(source, target=TargetSpec(path=str(source.parent / "t"), partition_by=["id"]))
    quietly(spec)
    layout = Path(spec.lake, ".dataops/staging/orders/2013-01-01")
    manifest = StageManifest.model_validate_json((layout / "manifest.json").read_text())
    assert list(manifest.columns) == ["id", "email", "amount", "at"]
    assert [(file.partition["id"], file.rows) for file in manifest.files] == [("1", 1), ("2", 2), ("3", 1), (None, 1)]
    assert all((layout / "table" / file.path).is_file() for file in manifest.files)


def test_what_an_earlier_try_left_is_gone(source: Path) -> None:
    spec = spec_for(source)
    quietly(spec)
    again = quietly(spec_for(source, clean=CleanSpec(keep_if=["id = 1"])))
    assert again.rows.written == 1
    assert [row["id"] for row in staged(spec)] == [1]


def test_a_failed_try_leaves_no_manifest(source: Path) -> None:
    spec = spec_for(source)
    quietly(spec)
    with pytest.raises(InputError, match="do not cast"):
        quietly(spec_for(source, clean=CleanSpec(cast={"amount": "integer"})))
    assert not Path(spec.lake, ".dataops/staging/orders/2013-01-01/manifest.json").exists()


def test_a_value_that_does_not_cast_fails_the_job_with_examples(source: Path) -> None:
    with pytest.raises(
        InputError, match=r"1 values of column 'amount' do not cast to integer, such as 'many'"
    ) as error:
        quietly(spec_for(source, clean=CleanSpec(cast={"amount": "integer"})))
    assert error.value.code == "CAST_FAILED"
    assert "on_error: quarantine" in str(error.value.hint)


def test_a_masked_column_keeps_its_values_to_itself_in_the_error(source: Path) -> None:
    spec = spec_for(source, clean=CleanSpec(cast={"email": "integer"}), masks={"email": MaskSpec(kind="null")})
    with pytest.raises(InputError) as error:
        quietly(spec)
    assert "x.org" not in json.dumps(error.value.to_dict())


def test_rows_put_aside_say_why_and_where_from(source: Path) -> None:
    clean = CleanSpec(rename={"amount": "cents"}, cast={"cents": CastSpec(type="integer", on_error="quarantine")})
    spec = spec_for(source, clean=clean, masks={"email": MaskSpec(kind="last4"), "at": MaskSpec(kind="drop")})
    quietly(spec)
    (row,) = quarantined(spec)
    assert row["_dataops_rules"] == ["cast(cents as integer)"]
    assert (row["amount"], row["email"], row["_dataops_source_row"]) == ("many", "***.org", 3)
    assert "at" not in row
    assert row["_dataops_source_file"] == str(source / "orders.parquet")
    assert (row["_dataops_run_key"], row["_dataops_pipeline"], row["_dataops_task"]) == (
        "2013-01-01",
        "orders",
        "refine",
    )
    assert row["_dataops_time"] == datetime(2013, 1, 2, tzinfo=UTC)


def test_an_unmasked_quarantine_keeps_values_as_they_came(source: Path) -> None:
    clean = CleanSpec(cast={"amount": CastSpec(type="integer", on_error="quarantine")})
    spec = spec_for(source, clean=clean, masks={"email": MaskSpec(kind="null")}, quarantine=QuarantineSpec(mask="none"))
    quietly(spec)
    assert quarantined(spec)[0]["email"] == "d@x.org"


def test_too_many_rows_put_aside_stop_the_job_before_anything_is_staged(source: Path) -> None:
    clean = CleanSpec(cast={"amount": CastSpec(type="integer", on_error="quarantine")})
    with pytest.raises(GateFailed, match="1 of 5 rows") as error:
        quietly(spec_for(source, clean=clean, max_quarantine_ratio=0.1))
    assert error.value.code == "QUARANTINE_RATIO"
    assert not Path(source.parent, "lake/.dataops/staging/orders/2013-01-01/table").exists()


def test_masks_come_last_so_that_keys_are_compared_as_they_came(source: Path) -> None:
    clean = CleanSpec(dedup=DedupSpec(keys=["email"]))
    result = quietly(
        spec_for(source, clean=clean, masks={"email": MaskSpec(kind="digits"), "id": MaskSpec(kind="drop")})
    )
    assert result.rows.deduplicated == 0
    assert [column.name for column in result.columns] == ["email", "amount", "at"]


def test_the_salt_is_nowhere_in_what_is_written_or_said(source: Path) -> None:
    spec = spec_for(source, masks={"email": SALTED})
    said: list[str] = []
    result = run(spec, secrets={"env:SALT": "pepper-and-salt"}, progress=said.append)
    assert staged(spec)[0]["email"] is None or len(str(staged(spec)[0]["email"])) == 64
    written = "".join(p.read_text(errors="replace") for p in Path(spec.lake).rglob("*.json"))
    assert "pepper" not in written + result.model_dump_json() + "".join(said) + "".join(rendered_sql(spec))
    assert "<salt>" in "".join(rendered_sql(spec))


def test_a_salt_that_was_not_handed_over_stops_the_job(source: Path) -> None:
    with pytest.raises(SpecError) as error:
        quietly(spec_for(source, masks={"email": SALTED}))
    assert error.value.code == "SECRET_MISSING"


def test_a_window_takes_its_rows_and_counts_those_without_a_moment(source: Path) -> None:
    spec = spec_for(source, slice=WindowSlice(column="at"), clean=CleanSpec(cast={"at": "timestamp"}))
    result = quietly(spec)
    assert (result.rows.read, result.rows.dropped, result.rows.written) == (4, {"no_window(at)": 1}, 3)
    manifest = json.loads(Path(spec.lake, ".dataops/staging/orders/2013-01-01/manifest.json").read_text())
    assert manifest["files"][0]["window"][0].startswith("2013-01-01T01:00:00")


def test_a_cast_that_moves_rows_out_of_the_window_is_refused(source: Path) -> None:
    hour = RunContext(
        pipeline="orders",
        key="h",
        interval_start=datetime(2013, 1, 1, 1, tzinfo=UTC),
        interval_end=datetime(2013, 1, 1, 2, tzinfo=UTC),
    )
    table = pa.table({"at": pa.array([datetime(2013, 1, 1, 1, 30)], pa.timestamp("us"))})  # noqa: DTZ001
    pq.write_table(table, source / "orders.parquet")
    with pytest.raises(SpecError) as error:
        quietly(spec_for(source, run=hour, slice=WindowSlice(column="at"), clean=CleanSpec(cast={"at": "date"})))
    assert error.value.code == "WINDOW_MOVED"


@pytest.mark.parametrize("changes", [{"clean": CleanSpec(select=["id"])}, {"masks": {"at": MaskSpec(kind="null")}}])
def test_the_window_column_must_stay(source: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as error:
        quietly(spec_for(source, slice=WindowSlice(column="at"), **changes))
    assert error.value.code == "WINDOW_COLUMN_LOST"


def gate_for(spec: RefineSpec) -> GateSpec:
    return GateSpec(
        task="gate_bronze", lake=spec.lake, run=spec.run, source=spec.source, slice=spec.slice, rules=[{"not_null": "email"}],
        on_failure="quarantine",
    )  # fmt: skip


def test_rows_that_a_gate_put_aside_are_left_out(source: Path) -> None:
    spec = spec_for(source, exclude=["gate_bronze"])
    execute(gate_for(spec), dq_gate.run, progress=lambda _: None)
    result = quietly(spec)
    assert (result.rows.read, result.rows.written) == (4, 4)
    assert all(row["email"] for row in staged(spec))


def test_a_source_that_changed_since_the_gate_is_refused(source: Path) -> None:
    spec = spec_for(source, exclude=["gate_bronze"])
    execute(gate_for(spec), dq_gate.run, progress=lambda _: None)
    pq.write_table(pa.Table.from_pylist(ROWS[:2]), source / "orders.parquet")
    with pytest.raises(InputError) as error:
        quietly(spec)
    assert error.value.code == "SOURCE_CHANGED"


def test_a_gate_that_did_not_run_is_missed(source: Path) -> None:
    with pytest.raises(InputError) as error:
        quietly(spec_for(source, exclude=["gate_bronze"]))
    assert error.value.code == "GATE_MISSING"


def publish_by_hand(spec: RefineSpec, table: pa.Table) -> None:
    Path(spec.target.path).mkdir(parents=True)
    pq.write_table(table, f"{spec.target.path}/old.parquet")


OLD = pa.table({"email": ["x"], "id": [1], "gone": pa.array([1], pa.int32())})


def test_drift_is_refused_as_the_policy_says(source: Path) -> None:
    publish_by_hand(spec_for(source), OLD)
    with pytest.raises(InputError, match="lacks 'gone'") as error:
        quietly(spec_for(source))
    assert error.value.code == "SCHEMA_DRIFT"


def test_drift_is_bridged_as_the_policy_says(source: Path) -> None:
    spec = spec_for(source, drift=DriftSpec(missing_column="null", new_column="ignore"))
    publish_by_hand(spec, OLD)
    result = quietly(spec)
    assert [(c.name, c.type) for c in result.columns] == [("email", "string"), ("id", "bigint"), ("gone", "integer")]
    assert {row["gone"] for row in staged(spec)} == {None}
    assert result.drift == [
        "missing column 'gone' is null",
        "new column 'amount' (string) is ignored",
        "new column 'at' (string) is ignored",
    ]


def test_a_changed_type_is_refused_with_the_cast_to_write(source: Path) -> None:
    publish_by_hand(spec_for(source), pa.table({"id": ["text"]}))
    with pytest.raises(InputError, match="'id' was string and is bigint now") as error:
        quietly(spec_for(source))
    assert "{id: string}" in str(error.value.hint)


def test_lines_that_do_not_decode_are_put_aside_where_no_gate_took_them(tmp_path: Path) -> None:
    folder = tmp_path / "bronze"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"id": 1}\n{"id": \n{"id": 3}\n')
    spec = spec_for(folder, source=SourceSpec(path=str(folder), format="jsonl", types={"id": "integer"}))
    result = quietly(spec)
    assert (result.rows.read, result.rows.quarantined, result.rows.written) == (3, 1, 2)
    (row,) = quarantined(spec)
    assert (row["_dataops_rules"], row["_dataops_line"]) == (["decode"], '{"id": ')


def test_no_row_at_all_stages_an_empty_table(source: Path) -> None:
    result = quietly(spec_for(source, clean=CleanSpec(keep_if=["id > 100"])))
    assert (result.files, result.rows.written, result.rows.read) == (0, 0, 5)
    assert [column.rows for column in result.columns] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"clean": CleanSpec(select=["idd"])}, "UNKNOWN_COLUMN"),
        ({"clean": CleanSpec(rename={"id": "email"})}, "DUPLICATE_COLUMN"),
        ({"clean": CleanSpec(rename={"id": "EMAIL"})}, "DUPLICATE_COLUMN"),
        ({"clean": CleanSpec(cast={"id": "integr"})}, "UNKNOWN_TYPE"),
        ({"clean": CleanSpec(cast={"id": "date"})}, "BAD_CAST"),
        ({"clean": CleanSpec(trim=["id"])}, "BAD_TRIM"),
        ({"clean": CleanSpec(fill={"id": "x"})}, "BAD_VALUE"),
        ({"clean": CleanSpec(drop_nulls=["emial"])}, "UNKNOWN_COLUMN"),
        ({"clean": CleanSpec(keep_if=["id >"])}, "BAD_EXPRESSION"),
        ({"clean": CleanSpec(keep_if=["id"])}, "BAD_EXPRESSION"),
        ({"clean": CleanSpec(derive={"x": "foo(id)"})}, "UNKNOWN_FUNCTION"),
        ({"clean": CleanSpec(derive={"id": "1"})}, "DUPLICATE_COLUMN"),
        ({"clean": CleanSpec(dedup=DedupSpec(keys=["ID"]))}, "UNKNOWN_COLUMN"),
        ({"clean": CleanSpec(dedup=DedupSpec(keys=["id"], within="10 minutes"))}, "BAD_DEDUP"),
        ({"clean": CleanSpec(dedup=DedupSpec(keys=["id"], within="10 minutes", event_time="at"))}, "BAD_DEDUP"),
        ({"clean": CleanSpec(dedup=DedupSpec(keys=["id"], within="soon", event_time="at"))}, "BAD_DURATION"),
        ({"masks": {"mail": MaskSpec(kind="null")}}, "UNKNOWN_COLUMN"),
        ({"target": TargetSpec(path="/t", partition_by=["month"])}, "UNKNOWN_COLUMN"),
        ({"target": TargetSpec(path="/t", mode="merge", keys=["key"])}, "UNKNOWN_COLUMN"),
        ({"clean": CleanSpec(select=["id"]), "target": TargetSpec(path="/t", partition_by=["id"])}, "NO_COLUMNS"),
        ({"slice": WindowSlice(column="id")}, "BAD_WINDOW"),
        ({"source": SourceSpec(path="/nowhere")}, "SOURCE_MISSING"),
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused(source: Path, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(DataOpsError) as error:
        quietly(spec_for(source, **changes))
    assert error.value.code == code


def test_explain_shows_what_runs_without_reading(source: Path) -> None:
    spec = spec_for(source, clean=CleanSpec(keep_if=["id > 0"], dedup=DedupSpec(keys=["id"])))
    shown = explain(spec, {"id": "bigint", "email": "string", "amount": "string", "at": "string"})
    assert [text.splitlines()[0] for text in shown] == [
        "-- dataops_rows", "-- dataops_good", "-- rows by cause", "-- dataops_repeated", "-- dataops_losers",
        f"-- the files of {spec.target.path}",
    ]  # fmt: skip
    assert shown == rendered_sql(spec)


def test_a_cast_in_a_condition_does_not_see_rows_that_were_dropped_before(source: Path) -> None:
    clean = CleanSpec(keep_if=["amount <> 'many'", "cast(amount as integer) > 2"])
    result = quietly(spec_for(source, clean=clean))
    assert result.rows.written == 2
