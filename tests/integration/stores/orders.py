# SPDX-License-Identifier: Apache-2.0
"""A small table in a store: what was delivered is gated and refined, and waits for its publish; readers of two kinds look at it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.clients import delta
from airflow_dataops.clients.objects_fs import Objects, S3Objects
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.refine.spec import CleanSpec, DedupSpec, PublishSpec, RefineSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, Slice, SourceSpec, TargetSpec
from airflow_dataops.jobs import dq_gate, refine
from airflow_dataops.jobs.records import write_step_result

ROOT = Path(__file__).parents[3]
both_formats = pytest.mark.parametrize("table_format", ["parquet", "delta"])
CLEAN = CleanSpec(drop_nulls=["amount"], dedup=DedupSpec(keys=["id"], order_by=["at"]))
RULES: list[dict[str, Any]] = [
    {"between": {"column": "amount", "min": 0}},
    {"not_null": "id"},
    {"row_count": {"min": 1}},
]


class Orders:
    """A table of orders.

    Args:
        lake: Where it lies.
        table_format: ``parquet`` or ``delta``.
        slice_: What a run owns; the whole table when omitted.
    """

    def __init__(self, lake: str, table_format: str, slice_: Slice | None = None) -> None:
        self.lake, self.format, self._slice = lake, table_format, slice_ or FullSlice()
        self.table = f"{lake}/silver"

    def stage(self, number: int, key: str = "one") -> PublishSpec:
        """Deliver two files, gate and refine them; returns the publish that is to be done.

        Args:
            number: Of the delivery, to tell its rows from those of another.
            key: Of the run.
        """
        rows = _rows(number)
        source = SourceSpec(path=f"{self.lake}/bronze/{key}")
        for name, part in (("0", rows[:50]), ("1", rows[50:])):
            out = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(part), out, row_group_size=20)
            storage_for(self.lake).write_bytes(f"{source.path}/{name}.parquet", out.getvalue())
        target = TargetSpec.model_validate({"path": self.table, "format": self.format, "partition_by": ["region"]})
        run = RunContext(pipeline="p", key=key)
        common: dict[str, Any] = {"lake": self.lake, "run": run, "engine": "duckdb", "slice": self._slice}
        gate = GateSpec(
            task="gate", source=source, rules=RULES, on_failure="quarantine", max_quarantine_ratio=0.1, commit_quarantine=False, **common
        )  # fmt: skip
        write_step_result(gate, dq_gate.run(gate, progress=lambda _: None))
        refine.run(RefineSpec(task="refine", source=source, target=target, clean=CLEAN, exclude=["gate"], **common))
        return PublishSpec(task="publish", target=target, gates=["gate"], **common)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows as DuckDB reads them, sorted; of Delta those of the files that delta-rs names, which has to read the same."""
        if self.format == "parquet":
            return self.read("silver")
        from deltalake import DeltaTable

        options = None if self.lake.startswith("/") else stranger()
        found = DeltaTable(self.table, storage_options=options)
        rows = self._select([f"{self.table}/{path}" for path in _paths(found)])
        told = found.to_pyarrow_table().to_pylist()
        assert sorted(_texts(row.values()) for row in told) == sorted(_texts(row) for row in rows)
        return rows

    def rows_by_us(self) -> list[tuple[Any, ...]]:
        """Return the rows of the files that our own client names, sorted: also where no stranger's library reaches the store."""
        if self.format == "parquet":
            return self.rows()
        return self._select([f"{self.table}/{file.path}" for file in delta.snapshot(self.table).files])

    def read(self, what: str) -> list[tuple[Any, ...]]:
        """Return the rows of all Parquet files below a folder of the lake, sorted, without the lake's own address."""
        storage = storage_for(self.lake)
        return self._select(
            [info.path for info in storage.find(f"{self.lake}/{what}") if info.path.endswith(".parquet")]
        )

    def expected(self, *numbers: int) -> list[tuple[Any, ...]]:
        """Return the rows that deliveries leave, sorted."""
        kept = [row for number in numbers for row in {row["id"]: row for row in _rows(number)}.values()]
        return sorted((row["id"], row["amount"], row["at"], row["region"]) for row in kept)

    def _select(self, files: list[str]) -> list[tuple[Any, ...]]:
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.register_filesystem(Objects())
            connection.register_filesystem(S3Objects())
            found = connection.execute(f"SELECT * FROM read_parquet({files}, hive_partitioning = true) ORDER BY ALL")
            places = (self.lake, storage_for(self.lake).real(self.lake))
            return [tuple(_bare(value, places) for value in row) for row in found.fetchall()]


def stranger() -> dict[str, str]:
    """Return what somebody else gives delta-rs to open a table in S3."""
    from airflow_dataops.core.s3 import S3Settings

    settings = S3Settings.from_env(os.environ)
    return settings.for_delta(settings.keys(lambda name: os.environ.get(name.removeprefix("env:"))))


def _rows(number: int) -> list[dict[str, Any]]:
    base = 1000 * number
    return [
        {"id": base + n % 90, "amount": -1.0 if n == 7 else n / 4 + number, "at": base + n, "region": "ab"[n % 2]}
        for n in range(100)
    ]


def _paths(table: Any) -> list[str]:
    return [path.partition("/silver/")[2] for path in table.file_uris()]


def _texts(row: Any) -> list[str]:
    return sorted(map(str, row))


def _bare(value: Any, places: tuple[str, str]) -> Any:
    for place in places:
        value = value.replace(place, "") if isinstance(value, str) else value
    return value


def at_once(tmp_path: Path, specs: Sequence[PublishSpec]) -> list[dict[str, Any]]:
    """Publish each in a process of its own, all at once; returns their results."""
    running = []
    for number, spec in enumerate(specs):
        (tmp_path / f"{number}.json").write_text(spec.model_dump_json())
        command = [sys.executable, "-m", "airflow_dataops.jobs.publish", "--spec", str(tmp_path / f"{number}.json")]
        running.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * len(specs), said
    return [json.loads(out) for out, _ in said]
