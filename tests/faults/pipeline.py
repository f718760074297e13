# SPDX-License-Identifier: Apache-2.0
"""A small but whole pipeline over deliveries of a few rows: gate, refine, gate, publish, report; and the upkeep after it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_dataops.clients import delta
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.maintain import MaintainedTable, MaintainSpec
from airflow_dataops.core.refine.publish import TableFile, table_digest
from airflow_dataops.core.refine.spec import CastSpec, CleanSpec, DedupSpec, PublishSpec, RefineSpec, ReportSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import (
    EngineName,
    FullSlice,
    JobSpec,
    MaskSpec,
    PartitionSlice,
    RunSlice,
    SecretRef,
    Slice,
    SourceSpec,
    TargetSpec,
    WindowSlice,
)
from tests.faults import tables
from tests.faults.place import delta_options

NAME = "orders"
SALT = {"env:SALT": "pepper"}
STEPS = ("alone", "gate", "refine", "silver", "publish", "report")
DAY = 2
_START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Variant:
    """One kind of table.

    Attributes:
        format: ``parquet`` or ``delta``.
        slice: What a run owns: ``window``, ``full``, ``run``, ``partitions``, or ``merge`` (by keys); ``first``: a window of a table
            that is not there yet.
    """

    format: str
    slice: str

    def __str__(self) -> str:
        return f"{self.format}-{self.slice}"


VARIANTS = [
    Variant(fmt, owned)
    for fmt in ("parquet", "delta")
    for owned in ("window", "full", "run", "partitions", "merge", "first")
]
# Of the walks that stop at every change of the file system: kinds whose publishes differ most.
DENSE = [variant for variant in VARIANTS if variant.slice in ("window", "merge", "first")]


class Pipeline:
    """A lake with a source, a table that others have written to before, and the specs of the runs.

    Args:
        root: Folder of this machine.
        variant: Kind of table.
        address: Where source and lake lie; in ``root`` when omitted.

    Attributes:
        engine: Engine of the steps from now on.
    """

    engine: EngineName = "duckdb"

    def __init__(self, root: Path, variant: Variant, address: str | None = None) -> None:
        self.root, self.variant = root, variant
        self.address = address or str(root)
        self.storage = storage_for(self.address)
        self.lake = f"{self.address}/lake"
        self.table = f"{self.lake}/silver"

    def run(self, day: int = DAY) -> RunContext:
        """Return the run of a day of January 2024."""
        start = _START + timedelta(days=day - 1)
        return RunContext(
            pipeline=NAME, key=f"{start:%Y-%m-%dT%H%M%S}", interval_start=start, interval_end=start + timedelta(days=1)
        )

    def layout(self, day: int = DAY) -> RunLayout:
        """Return the paths of a day's run."""
        return RunLayout(self.lake, NAME, self.run(day).key)

    @property
    def lease(self) -> str:
        """The text of the table's lease file."""
        return str(self.storage.read_bytes(self.layout().lease(table_digest(self.table))) or b"", "utf-8")

    @property
    def index(self) -> str:
        """The file that remembers what the table's files hold."""
        return self.layout().table_index(table_digest(self.table))

    def step(self, name: str, day: int = DAY) -> JobSpec:
        """Return the spec of a step of a day's run, or of the upkeep (``maintain``)."""
        made: dict[str, Any] = {
            "alone": self._alone, "gate": self._gate, "refine": self._refine, "silver": self._silver, "publish": self._publish,
            "report": self._report, "maintain": self._maintain,
        }  # fmt: skip
        spec: JobSpec = made[name](day, {"task": name, "lake": self.lake, "run": self.run(day)})
        return spec.model_copy(update={"engine": self.engine})

    def deliver(self, day: int, *, more: int = 0) -> None:
        """Write the source of a day: 9 + ``more`` rows, of which one has no name, one no number, one is there twice and one too dear."""
        rows = [_row(day, n, amount=str(1.5 * n + more)) for n in range(1, 7 + more)]
        rows += [_row(day, 50, name=None), _row(day, 51, ident="no number"), _row(day, 1, hour=9)]
        rows += [_row(day, 52, amount="99999"), _row(day, 53, amount="dear")]
        self._write(f"{self.address}/bronze/day={_date(day)}/part-0.parquet", rows)

    def found_table(self) -> None:
        """Make the table as other hands left it: a file that several days share, one of our day, two of a later day; and litter."""
        self.storage.write_bytes(f"{self.lake}/.dataops/staging/{NAME}/given-up/table/half.parquet", b"half a file")
        self.storage.write_bytes(f"{self.table}/.tmp-of-a-killed-process", b"half a file")
        for number, days in enumerate(([1, 2, 3], [DAY], [9], [9]) if self.variant.slice != "first" else ()):
            rows = [_clean_row(day, 70 + 10 * number) for day in days]
            if self.variant.slice == "partitions":
                for row in rows:
                    row["day"] = row["at"].strftime("%Y-%m-%d")
            by = "day" if self.variant.slice == "partitions" else None
            if self.variant.format == "delta":
                import pyarrow as pa
                from deltalake import write_deltalake

                options = delta_options(self.table)
                found = pa.Table.from_pylist(rows)
                write_deltalake(self.table, found, mode="append", partition_by=by, storage_options=options)
                continue
            for part in sorted({row.get("day", "") for row in rows}):
                kept = [{key: row[key] for key in row if key != by} for row in rows if row.get("day", "") == part]
                self._write(f"{self.table}/{f'day={part}/' if by else ''}old-{number}.parquet", kept)

    def scatter(self, count: int = 2) -> None:
        """Let a run of old have left small files in the table."""
        folder = "day=2024-01-09/" if self.variant.slice == "partitions" else ""
        files = []
        for number in range(count):
            path = f"{folder}of-old-000001-{number:05d}.parquet"
            size = self._write(f"{self.table}/{path}", [_clean_row(9, 200 + number)])
            partition: dict[str, str | None] = {"day": "2024-01-09"} if folder else {}
            files.append(TableFile(path=path, rows=1, bytes=size, partition=partition))
        if self.variant.format == "delta":
            delta.commit(delta.snapshot(self.table), files, [], application="of-old", token=1)

    def seen(self, *days: int) -> tables.Seen:
        """Return the lake as it is, with the numbers on record of some days' runs."""
        counts = {str(day): tables.read_counts(self.layout(day).record) for day in days or (DAY,)}
        quarantine = tables.read_quarantine(self.layout().quarantine_root)
        return tables.Seen(tables.read_table(self.table, self.variant.format), quarantine, counts)

    def _write(self, path: str, rows: list[dict[str, Any]]) -> int:
        """Write a Parquet file; returns its size."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), out)
        self.storage.write_bytes(path, out.getvalue())
        return out.tell()

    def _owned(self, day: int) -> Slice:
        kinds: dict[str, Slice] = {
            "window": WindowSlice(column="at"), "full": FullSlice(), "run": RunSlice(),
            "partitions": PartitionSlice(values={"day": _date(day)}), "merge": WindowSlice(column="at"), "first": WindowSlice(column="at"),
        }  # fmt: skip
        return kinds[self.variant.slice]

    def _source(self, day: int) -> SourceSpec:
        whole = self.variant.slice in ("window", "merge", "full", "first")
        return SourceSpec(path=f"{self.address}/bronze" + ("" if whole else f"/day={_date(day)}"))

    def _target(self) -> TargetSpec:
        more: dict[str, Any] = {"partition_by": ["day"]} if self.variant.slice == "partitions" else {}
        if self.variant.slice == "merge":
            more = {"mode": "merge", "keys": ["id"]}
        return TargetSpec.model_validate({"path": self.table, "format": self.variant.format, **more})

    def _gate(self, day: int, fields: dict[str, Any]) -> GateSpec:
        rules = [{"not_null": "name"}, {"unique": "id", "severity": "warning"}]
        return GateSpec(
            **fields, source=self._source(day), slice=self._owned(day), rules=rules, on_failure="quarantine",
            masks={"name": _mask()},
        )  # fmt: skip

    def _alone(self, day: int, fields: dict[str, Any]) -> GateSpec:
        """A gate that no publish follows: it commits its own bad rows."""
        return self._gate(day, fields).model_copy(update={"commit_quarantine": True, "max_quarantine_ratio": 0.5})

    def _refine(self, day: int, fields: dict[str, Any]) -> RefineSpec:
        columns = ["id", "at", "name", "amount"] + (["day"] if self.variant.slice == "partitions" else [])
        casts: dict[str, CastSpec | str] = {
            "id": CastSpec(type="bigint", on_error="quarantine"), "amount": CastSpec(type="double", on_error="null"),
        }  # fmt: skip
        if "day" in columns:
            casts["day"] = "string"
        dedup = DedupSpec(keys=["id"], keep="last", order_by=["at"])
        return RefineSpec(
            **fields, source=self._source(day), slice=self._owned(day), exclude=["gate"], target=self._target(),
            clean=CleanSpec(select=columns, cast=casts, trim=["name"], dedup=dedup), masks={"name": _mask()},
        )  # fmt: skip

    def _silver(self, day: int, fields: dict[str, Any]) -> GateSpec:
        rules: list[dict[str, Any]] = [{"between": ["amount", 0, 1000]}, {"unique": "id"}, {"row_count": {"min": 1}}]
        return GateSpec(**fields, slice=self._owned(day), rules=rules, on_failure="quarantine")

    def _publish(self, day: int, fields: dict[str, Any]) -> PublishSpec:
        return PublishSpec(**fields, target=self._target(), slice=self._owned(day), gates=["gate", "silver"])

    def _report(self, _day: int, fields: dict[str, Any]) -> ReportSpec:
        return ReportSpec(**fields, title=NAME, steps=[name for name in STEPS if name != "report"])

    def _maintain(self, day: int, fields: dict[str, Any]) -> MaintainSpec:
        run = RunContext(pipeline="upkeep", key=f"upkeep-{day}")
        maintained = [MaintainedTable(target=self._target(), slice=self._owned(day))]
        # A year later: what was staged and put aside is old enough to go, while Delta's versions are young by the log's own times.
        return MaintainSpec(
            **{**fields, "run": run}, now=datetime(2027, 12, 31, tzinfo=UTC), tables=maintained, pipelines=[NAME],
            retention_days={NAME: 30},
        )  # fmt: skip


def _row(day: int, number: int, *, hour: int = 1, ident: str | None = None, **fields: str | None) -> dict[str, Any]:
    at = (_START + timedelta(days=day - 1, hours=hour, minutes=number)).replace(tzinfo=None)
    return {"id": ident or str(day * 100 + number), "at": at, "name": f" customer {number} ", "amount": "1", **fields}


def _clean_row(day: int, number: int) -> dict[str, Any]:
    at = (_START + timedelta(days=day - 1, hours=12, minutes=number)).replace(tzinfo=None)
    return {"id": day * 100 + number, "at": at, "name": f"old {number}", "amount": float(number)}


def _date(day: int) -> str:
    return (_START + timedelta(days=day - 1)).strftime("%Y-%m-%d")


def _mask() -> MaskSpec:
    return MaskSpec(kind="sha256", salt=SecretRef(secret="env:SALT"))
