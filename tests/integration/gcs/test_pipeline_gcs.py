# SPDX-License-Identifier: Apache-2.0
"""Bronze to silver in a bucket, on Dask: published whole or not at all, the same rows as on a disk with DuckDB."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.clients import delta
from airflow_dataops.clients.objects_fs import Objects
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.faults import FaultPoint
from airflow_dataops.core.refine.spec import CleanSpec, DedupSpec, PublishResult, PublishSpec, RefineSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, RunSlice, SourceSpec, TargetSpec
from airflow_dataops.engines.dask_client import use_client
from airflow_dataops.jobs import dq_gate, publish, quarantine, refine
from airflow_dataops.jobs.records import write_step_result

pytest.importorskip("distributed")
ROOT = Path(__file__).parents[3]
ROWS = [{"id": n % 90, "region": "ab"[n % 2], "amount": -1.0 if n == 7 else n / 4, "at": n} for n in range(100)]
CLEAN = CleanSpec(drop_nulls=["amount"], dedup=DedupSpec(keys=["id"], order_by=["at"]))


def steps(
    lake: str,
    engine: str,
    key: str = "one",
    owned: Any = FullSlice(),  # noqa: B008 - frozen
    table_format: str = "parquet",
) -> dict[str, Any]:
    source = SourceSpec(path=f"{lake}/bronze/{key}")
    target = TargetSpec(path=f"{lake}/silver", format=table_format, partition_by=["region"])
    common = {"lake": lake, "run": RunContext(pipeline="p", key=key), "engine": engine, "slice": owned}
    rules = [{"between": {"column": "amount", "min": 0}}, {"not_null": "id"}, {"row_count": {"min": 1}}]
    return {
        "gate": GateSpec(
            task="gate", source=source, rules=rules, on_failure="quarantine", max_quarantine_ratio=0.1,
            commit_quarantine=False, **common,
        ),
        "refine": RefineSpec(task="refine", source=source, target=target, clean=CLEAN, exclude=["gate"], **common),
        "publish": PublishSpec(task="publish", target=target, gates=["gate"], **common),
    }  # fmt: skip


def deliver(lake: str, tmp_path: Path, key: str = "one", rows: list[Any] = ROWS) -> None:
    """Two files of several row groups."""
    half = len(rows) // 2
    for number, part in enumerate((rows[:half], rows[half:])):
        here = tmp_path / f"{key}-{number}.parquet"
        pq.write_table(pa.Table.from_pylist(part), here, row_group_size=20)
        storage_for(lake).take_all([(str(here), f"{lake}/bronze/{key}/{number}.parquet")])


def stage(lake: str, engine: str, client: Any, **more: Any) -> dict[str, Any]:
    specs = steps(lake, engine, **more)
    with use_client(client):
        write_step_result(specs["gate"], dq_gate.run(specs["gate"], progress=lambda _: None))
        refine.run(specs["refine"], progress=lambda _: None)
    return specs


def published(spec: PublishSpec, client: Any) -> PublishResult:
    with use_client(client):
        return publish.run(spec)


def rows_of(lake: str, what: str = "silver") -> list[Any]:
    """A table as DuckDB reads its folder."""
    files = [info.path for info in storage_for(lake).find(f"{lake}/{what}") if info.path.endswith(".parquet")]
    with duckdb.connect() as connection:
        connection.register_filesystem(Objects())
        found = connection.execute(f"SELECT * FROM read_parquet({files}, hive_partitioning = true) ORDER BY ALL")
        return [tuple(str(value).replace(lake, "") for value in row) for row in found.fetchall()]


def test_a_bucket_on_dask_holds_what_a_disk_on_duckdb_holds(
    lake: str, dask_cluster: Any, many_parts: None, tmp_path: Path
) -> None:
    disk = f"{tmp_path}/disk"
    for where, engine in ((lake, "dask"), (disk, "duckdb")):
        deliver(where, tmp_path)
        published(stage(where, engine, dask_cluster)["publish"], dask_cluster)
    assert rows_of(lake) == rows_of(disk)
    assert len(rows_of(lake)) == 90
    assert rows_of(lake, "quarantine") == rows_of(disk, "quarantine")
    assert storage_for(lake).find(f"{lake}/.dataops/staging") == []


def test_the_same_run_again_leaves_the_same_rows(lake: str, dask_cluster: Any, tmp_path: Path) -> None:
    deliver(lake, tmp_path)
    spec = stage(lake, "dask", dask_cluster)["publish"]
    published(spec, dask_cluster)
    first = rows_of(lake)
    assert published(spec, dask_cluster).already_done
    published(stage(lake, "dask", dask_cluster)["publish"], dask_cluster)
    assert rows_of(lake) == first


def test_two_runs_publish_at_once(lake: str, dask_cluster: Any, tmp_path: Path) -> None:
    specs = []
    for key in ("one", "two"):
        deliver(lake, tmp_path, key)
        specs.append(stage(lake, "duckdb", dask_cluster, key=key, owned=RunSlice())["publish"])
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda spec: published(spec, dask_cluster), [*specs, *specs]))
    assert [result.rows.written for result in done] == [90] * 4
    assert len(rows_of(lake)) == 2 * 90


def test_the_same_run_publishes_twice_at_once(lake: str, dask_cluster: Any, tmp_path: Path) -> None:
    deliver(lake, tmp_path)
    spec = stage(lake, "duckdb", dask_cluster)["publish"]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda one: published(one, dask_cluster), [spec, spec]))
    assert sorted(result.already_done for result in done) == [False, True]
    assert len(rows_of(lake)) == 90


@pytest.mark.parametrize(
    "point", [FaultPoint.PUBLISH_NOTED, FaultPoint.PUBLISH_MARKED, FaultPoint.TABLE_JOINED, FaultPoint.TABLE_LEFT]
)
def test_a_publish_that_is_killed_is_finished_by_the_next(
    lake: str, dask_cluster: Any, tmp_path: Path, point: FaultPoint
) -> None:
    deliver(lake, tmp_path)
    published(stage(lake, "duckdb", dask_cluster)["publish"], dask_cluster)
    deliver(lake, tmp_path, rows=[{**row, "amount": row["at"] + 0.5} for row in ROWS])
    spec = stage(lake, "duckdb", dask_cluster)["publish"]
    (tmp_path / "arm.json").write_text(json.dumps({"job": "publish", "plan": {"point": point.value}}))
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    command = [sys.executable, "-m", "tests.faults.armed_job", "--spec", str(tmp_path / "spec.json")]
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    published(spec, dask_cluster)
    found = rows_of(lake)
    assert len(found) == 90
    assert all(row[1].endswith(".5") for row in found)
    assert storage_for(lake).find(f"{lake}/.dataops/staging") == []


def test_text_in_a_bucket_is_decoded_on_the_workers(lake: str, dask_cluster: Any) -> None:
    storage = storage_for(lake)
    for number in range(2):
        lines = ["id,amount", *(f"{n},{n / 2}" for n in range(number * 5, number * 5 + 5)), "x,1.0", ""]
        storage.write_bytes(f"{lake}/bronze/one/{number}.csv", "\n".join(lines).encode())
    source = SourceSpec(path=f"{lake}/bronze/one", format="csv", types={"id": "bigint", "amount": "double"})
    spec = steps(lake, "dask")["gate"].model_copy(update={"source": source, "max_quarantine_ratio": 0.5})
    with use_client(dask_cluster):
        result = dq_gate.run(spec, progress=lambda _: None)
    assert (result.verdict, result.rows.read, result.rows.quarantined) == ("quarantined", 12, 2)
    assert result.quarantine_uri is not None
    bad = storage.open(result.quarantine_uri)
    assert {row["_dataops_line"] for row in pq.read_table(bad).to_pylist()} == {"x,1.0"}


def test_bad_rows_in_a_bucket_are_listed_and_forgotten(lake: str, dask_cluster: Any, tmp_path: Path) -> None:
    deliver(lake, tmp_path)
    published(stage(lake, "duckdb", dask_cluster)["publish"], dask_cluster)
    assert [(one.rows, one.tasks) for one in quarantine.list_runs(lake, "p")] == [(1, {"gate": 1})]
    assert len(quarantine.show(lake, "p", "one")) == 1
    assert quarantine.forget(lake, "p", "one").rows == 1
    assert quarantine.list_runs(lake, "p") == []


def test_a_delta_table_in_a_bucket_is_written_by_dask(
    lake: str, dask_cluster: Any, many_parts: None, tmp_path: Path
) -> None:
    disk = f"{tmp_path}/disk"
    for where, engine in ((lake, "dask"), (disk, "duckdb")):
        deliver(where, tmp_path)
        spec = stage(where, engine, dask_cluster, table_format="delta")["publish"]
        assert published(spec, dask_cluster).version == 0
    assert rows_of(lake) == rows_of(disk)
    assert [sum(file.rows or 0 for file in delta.snapshot(f"{where}/silver").files) for where in (lake, disk)] == [
        90,
        90,
    ]
