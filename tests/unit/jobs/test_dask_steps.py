# SPDX-License-Identifier: Apache-2.0
"""Whole pipelines as steps of a Dask job, by kind of source: records, bad rows and table are those of DuckDB."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.errors import DataOpsError, GateFailed, SpecError
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.engines.dask_client import use_client
from airflow_dataops.jobs import dq_gate
from airflow_dataops.jobs.on_dask import run_step
from tests.dask_cluster import dask_cluster, many_parts
from tests.unit.jobs.dask_steps import run_all

pytest.importorskip("distributed")
__all__ = ["dask_cluster", "many_parts"]
ROWS = [{"id": n % 20, "k": n % 3, "f": n / 2, "s": f"v{n % 7}"} for n in range(30)]
TYPES = {"id": "bigint", "k": "integer", "f": "double"}


def parquet(folder: Path) -> dict[str, Any]:
    """Partition folders, and files of which some lack a column."""
    for number in range(3):
        rows = [
            {name: row[name] for name in ("id", "f", "s") if number or name != "s"}
            for row in ROWS
            if row["k"] == number
        ]
        (folder / f"k={number}").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / f"k={number}" / "x.parquet", row_group_size=3)
    return {"path": str(folder)}


def csv(folder: Path) -> dict[str, Any]:
    """Two files; some lines do not decode."""
    folder.mkdir()
    lines = [f"{row['id']},{row['k']},{row['f']},{row['s']}" for row in ROWS]
    lines[4], lines[17] = "x,1,1.0,v", "1,2"
    for number in range(2):
        (folder / f"{number}.csv").write_text("\n".join(["id,k,f,s", *lines[number * 15 : number * 15 + 15], ""]))
    return {"path": str(folder), "format": "csv", "types": TYPES}


def delta(folder: Path) -> dict[str, Any]:
    """Two commits."""
    for half in (ROWS[:15], ROWS[15:]):
        write_deltalake(folder, pa.Table.from_pylist(half), partition_by=["k"], mode="append")
    return {"path": str(folder), "format": "delta"}


def steps(source: dict[str, Any], lake: Path, engine: str) -> list[dict[str, Any]]:
    common = {"lake": str(lake), "run": {"pipeline": "p", "key": "k"}, "slice": {"kind": "full"}, "engine": engine}
    fmt = "delta" if source.get("format") == "delta" else "parquet"
    target = {"path": f"{lake}/silver", "partition_by": ["k"], "format": fmt}
    aside = {"on_failure": "quarantine", "max_quarantine_ratio": 0.6, "commit_quarantine": False}
    bronze = [{"between": {"column": "f", "min": 1.5}}, {"unique": "f"}, {"distinct_count": ["s", 1, 9]}]
    clean = {"dedup": {"keys": ["id"], "order_by": ["f"]}, "derive": {"g": "f * 2"}}
    return [
        {"job": "dq_gate", "task": "bronze", "source": source, "rules": bronze, **aside, **common},
        {
            "job": "refine",
            "task": "refine",
            "source": source,
            "clean": clean,
            "target": target,
            "exclude": ["bronze"],
            **common,
        },
        {"job": "dq_gate", "task": "silver", "rules": [{"not_in_set": ["id", [3, 11]]}], **aside, **common},
        {"job": "publish", "task": "publish", "target": target, "gates": ["bronze", "silver"], **common},
    ]


@pytest.mark.parametrize("make", [parquet, csv, delta])
def test_a_pipeline_leaves_the_same(
    make: Callable[[Path], dict[str, Any]], dask_cluster: Any, many_parts: None, tmp_path: Path
) -> None:
    source = make(tmp_path / "source")
    found = [run_all(steps(source, tmp_path / e, e), tmp_path / e, dask_cluster) for e in ("duckdb", "dask")]
    for task, known in found[0][0].items():
        assert found[1][0][task] == known
    assert found[1][1:] == found[0][1:]
    documents, bad, table = found[1]
    assert documents["bronze"]["verdict"] == documents["silver"]["verdict"] == "quarantined"
    assert len(bad) > 2
    assert len(table) == documents["publish"]["rows"]["written"] > 10


def test_a_step_says_shortly_what_it_did_and_where_the_rest_is(dask_cluster: Any, tmp_path: Path) -> None:
    step = steps(parquet(tmp_path / "source"), tmp_path / "lake", "dask")[0]
    said = run_step(dask_cluster, **step)
    assert (said["job"], said["task"], said["status"], said["verdict"]) == ("dq_gate", "bronze", "ok", "quarantined")
    assert said["rows"]["read"] == 30
    assert json.loads(Path(said["result"]).read_text())["verdict"] == "quarantined"


def test_a_step_that_fails_raises_and_is_on_record(dask_cluster: Any, tmp_path: Path) -> None:
    step = steps(parquet(tmp_path / "source"), tmp_path / "lake", "dask")[0]
    with pytest.raises(GateFailed):
        run_step(dask_cluster, **{**step, "on_failure": "fail"})
    path = RunLayout(str(tmp_path / "lake"), "p", "k").step_result("bronze")
    assert json.loads(Path(path).read_text())["verdict"] == "failed"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"job": "refin"}, "UNKNOWN_JOB"), ({"engine": "duckdb"}, "ENGINE_MISMATCH"), ({"task": 1}, "JOB_SPEC_INVALID")],
)
def test_a_wrong_document_is_refused_before_anything_is_written(
    change: dict[str, Any], code: str, dask_cluster: Any, tmp_path: Path
) -> None:
    step = steps(parquet(tmp_path / "source"), tmp_path / "lake", "dask")[0]
    with pytest.raises(SpecError) as error:
        run_step(dask_cluster, **{**step, **change})
    assert error.value.code == code
    assert not (tmp_path / "lake").exists()


def test_a_broken_file_is_named_as_duckdb_names_it(dask_cluster: Any, many_parts: None, tmp_path: Path) -> None:
    source = parquet(tmp_path / "source")
    path = tmp_path / "source/k=1/x.parquet"
    whole = bytearray(path.read_bytes())
    whole[4:60] = b"\0" * 56
    path.write_bytes(bytes(whole))
    errors = []
    for engine in ("duckdb", "dask"):
        spec = GateSpec.model_validate(steps(source, tmp_path / engine, engine)[0])
        with pytest.raises(DataOpsError) as error, use_client(dask_cluster):
            dq_gate.run(spec, progress=lambda _: None)
        errors.append((error.value.code, error.value.details))
    assert errors[1] == errors[0]
