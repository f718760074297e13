# SPDX-License-Identifier: Apache-2.0
"""The real lake beside the model: it writes deliveries, makes the specs of runs, and reads back what is there."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.maintain import MaintainedTable, MaintainSpec
from airflow_dataops.core.refine.publish import table_digest
from airflow_dataops.core.refine.spec import CleanSpec, DedupSpec, DriftSpec, PublishSpec, RefineSpec, ReportSpec
from airflow_dataops.core.run import RunContext, run_key
from airflow_dataops.core.tables import (
    FullSlice,
    JobSpec,
    PartitionSlice,
    Resources,
    RunSlice,
    Slice,
    SourceSpec,
    TargetSpec,
    WindowSlice,
)
from tests.faults.model import FIRST, MOST_BAD, TOO_MUCH, Kind, Row

NAME = "orders"
STEPS = ("gate", "refine", "silver", "publish", "report")
_LIMITS = Resources(threads=1, memory_bytes=256 * 2**20)


class Lake:
    """A lake in a folder.

    Args:
        root: Folder.
        kind: Kind of pipeline.
    """

    def __init__(self, root: Path, kind: Kind) -> None:
        self.root, self.kind = root, kind
        self.path = str(root / "lake")
        self.table = f"{self.path}/silver"
        self._upkeeps = 0

    def run(self, day: int, *, by_hand: bool = False) -> RunContext:
        """Return the run of a date: the scheduler's, or one that somebody starts in the evening after it."""
        start = FIRST.replace(tzinfo=UTC) + timedelta(days=day)
        end = start + timedelta(days=1)
        asked = end + timedelta(hours=19, minutes=7) if by_hand else start
        key = run_key(partition_key=None, interval_start=start, interval_end=end, logical_date=asked, run_id="by hand")
        return RunContext(pipeline=NAME, key=key, interval_start=start, interval_end=end)

    def layout(self, day: int) -> RunLayout:
        """Return the paths of a date's run."""
        return RunLayout(self.path, NAME, self.run(day).key)

    def deliver(self, day: int, rows: tuple[Row, ...], *, grown: bool) -> None:
        """Write the delivery of a date in place of the one that may be there."""
        import pyarrow as pa
        import pyarrow.csv as pc
        import pyarrow.parquet as pq

        names = ["id", "at", "v", "p", *(["w"] if grown else [])]
        fields = [(name, pa.timestamp("us") if name == "at" else pa.int64()) for name in names]
        found = pa.Table.from_pylist([{name: getattr(row, name) for name in names} for row in rows], pa.schema(fields))
        path = self._delivery(day)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(".new")
        if self.kind.csv:
            pc.write_csv(found, new)
        else:
            pq.write_table(found, new)
        new.replace(path)

    def withdraw(self, day: int) -> None:
        """Take the delivery of a date away."""
        shutil.rmtree(self._delivery(day).parent, ignore_errors=True)

    def steps(self, day: int, first: str = "gate", last: str = "report", *, by_hand: bool = False) -> list[JobSpec]:
        """Return the steps of a date's run, from ``first`` to ``last``."""
        made: list[JobSpec] = []
        for name in STEPS[STEPS.index(first) : STEPS.index(last) + 1]:
            common = {"task": name, "lake": self.path, "run": self.run(day, by_hand=by_hand), "resources": _LIMITS}
            made.append(getattr(self, f"_{name}")(day, common))
        return made

    def upkeep(self, *, late: bool) -> list[JobSpec]:
        """Return the upkeep of the table; ``late`` means long after the last run, so that staged files have grown old."""
        self._upkeeps += 1
        now = datetime.now(UTC) + timedelta(days=300 if late else 0)
        return [
            MaintainSpec(
                task="maintain", lake=self.path, run=RunContext(pipeline="upkeep", key=f"upkeep-{self._upkeeps}"),
                resources=_LIMITS, now=now, tables=[MaintainedTable(target=self._target(), slice=self._slice(0))], pipelines=[NAME],
            )
        ]  # fmt: skip

    def forget_index(self) -> None:
        """Delete what is remembered of the table's files; that is allowed at any time."""
        shutil.rmtree(f"{self.path}/.dataops/tables", ignore_errors=True)

    def exists(self) -> bool:
        """Whether there is a table to read."""
        folder = Path(self.table)
        return (folder / "_delta_log").is_dir() if self.kind.format == "delta" else any(folder.rglob("*.parquet"))

    def rows(self) -> tuple[Row, ...]:
        """Return the table as a reader sees it."""
        if not self.exists():
            return ()
        return tuple(sorted((_row(found) for found in _read(self.table, self.kind.format)), key=repr))

    def bad_rows(self) -> dict[tuple[str, str], tuple[Row, ...]]:
        """Return (run key, step) -> its committed bad rows."""
        import pyarrow.parquet as pq

        found = {}
        for path in Path(self.layout(0).quarantine_root).rglob("*.parquet"):
            rows = pq.read_table(path, partitioning=None).to_pylist()
            found[path.parent.name.removeprefix("run_key="), path.stem] = tuple(sorted(map(_row, rows), key=repr))
        return found

    def litter(self, day: int) -> list[str]:
        """Return what a publish of a date should not have left behind: what it staged, records of commits, a mark in the lease."""
        layout, found = self.layout(day), []
        lease = json.loads(Path(layout.lease(table_digest(str(Path(self.table).resolve())))).read_text())
        if lease["pending"] or lease["holder"]:
            found.append(f"lease: {lease}")
        found += [str(path) for path in Path(layout.staging).rglob("*") if path.is_file()]
        return found + [str(path) for path in Path(layout.record).glob("commit-*")]

    def _delivery(self, day: int) -> Path:
        return self.root / "bronze" / f"day={_date(day)}" / ("all.csv" if self.kind.csv else "all.parquet")

    def _source(self, day: int) -> SourceSpec:
        path = f"{self.root}/bronze" + (f"/day={_date(day)}" if self.kind.by_date else "")
        types = {"id": "bigint", "at": "timestamp", "v": "bigint", "p": "bigint"}
        return SourceSpec(path=path, format="csv", types=types) if self.kind.csv else SourceSpec(path=path)

    def _slice(self, day: int) -> Slice:
        if self.kind.slice == "window":
            return WindowSlice(column="at", size="day", lookback=f"{self.kind.lookback}d")
        if self.kind.slice == "partitions":
            return PartitionSlice(values={"day": _date(day)})
        return RunSlice() if self.kind.slice == "run" else FullSlice()

    def _target(self) -> TargetSpec:
        by = ["day"] if self.kind.slice == "partitions" else ["p"] if self.kind.partitioned else []
        merge: dict[str, Any] = {"mode": "merge", "keys": ["id"]} if self.kind.merge else {}
        return TargetSpec.model_validate({"path": self.table, "format": self.kind.format, "partition_by": by, **merge})

    def _gate(self, day: int, common: dict[str, Any]) -> GateSpec:
        return GateSpec(
            **common, source=self._source(day), slice=self._slice(day), rules=[{"not_null": "v"}], on_failure="quarantine",
            max_quarantine_ratio=MOST_BAD,
        )  # fmt: skip

    def _refine(self, day: int, common: dict[str, Any]) -> RefineSpec:
        with_day = self.kind.slice == "partitions"
        clean = CleanSpec(
            cast={"day": "string"} if with_day else {},
            keep_if=["v >= 0"],
            dedup=DedupSpec(keys=["id"], keep="last", order_by=["at", "v"]),
        )
        return RefineSpec(
            **common, source=self._source(day), slice=self._slice(day), exclude=["gate"], clean=clean, target=self._target(),
            drift=DriftSpec(new_column="add", missing_column="null"),
        )  # fmt: skip

    def _silver(self, day: int, common: dict[str, Any]) -> GateSpec:
        return GateSpec(**common, slice=self._slice(day), rules=[{"between": ["v", 0, TOO_MUCH - 1]}])

    def _publish(self, day: int, common: dict[str, Any]) -> PublishSpec:
        return PublishSpec(**common, target=self._target(), slice=self._slice(day), gates=["gate", "silver"])

    def _report(self, _day: int, common: dict[str, Any]) -> ReportSpec:
        return ReportSpec(**common, title=NAME, steps=list(STEPS[:-1]))


def _read(table: str, table_format: str) -> list[dict[str, Any]]:
    """Read a parquet table by a glob over its folder, a Delta table with delta-rs."""
    if table_format == "delta":
        from deltalake import DeltaTable

        found: list[dict[str, Any]] = DeltaTable(table).to_pyarrow_table().to_pylist()
        return found
    import duckdb

    options = "union_by_name = true, hive_partitioning = true, hive_types_autocast = false"
    with duckdb.connect(config={"threads": 1}) as connection:
        relation = connection.sql(f"SELECT * FROM read_parquet('{table}/**/*.parquet', {options})")
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _row(found: dict[str, Any]) -> Row:
    return Row(found["id"], found["at"], found["v"], int(found["p"]), found.get("w"))


def _date(day: int) -> str:
    return (FIRST + timedelta(days=day)).strftime("%Y-%m-%d")
