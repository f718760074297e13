# SPDX-License-Identifier: Apache-2.0
"""A lake with one table for the tests of the gate's job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_dataops.core.dq_gate.spec import GateResult, GateSpec, RuleOutcome
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.spec import StagedFile, StageManifest
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, SourceSpec
from airflow_dataops.jobs.dq_gate import run
from airflow_dataops.jobs.records import write_document

END = datetime(2024, 1, 3, tzinfo=UTC)
RUN = RunContext(pipeline="orders", key="2024-01-02", interval_start=datetime(2024, 1, 2, tzinfo=UTC), interval_end=END)


@dataclass
class GateLake:
    """A lake whose table ``bronze`` is written by :meth:`write`, and the gate over it."""

    root: Path
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> RunLayout:
        return RunLayout(str(self.root), RUN.pipeline, RUN.key)

    def write(self, columns: Mapping[str, Any] | pa.Table, name: str = "part-0") -> None:
        """Write a file of the source."""
        folder = self.root / "bronze"
        folder.mkdir(parents=True, exist_ok=True)
        table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
        pq.write_table(table, folder / f"{name}.parquet")

    def gate(self, rules: Sequence[Any], **options: Any) -> GateResult:
        """Run the gate."""
        fields: dict[str, Any] = {
            "task": "gate",
            "lake": str(self.root),
            "run": RUN,
            "source": SourceSpec(path=str(self.root / "bronze")),
            "slice": FullSlice(),
            "rules": list(rules),
            "on_failure": "quarantine",
            **options,
        }
        return run(GateSpec(**fields), secrets=self.secrets, progress=lambda _line: None)

    def staged(self, *files: tuple[str, Mapping[str, Any], dict[str, str | None]], types: dict[str, str]) -> None:
        """Stage files as the refine step does: path, columns without those of the partition, partition values."""
        made = []
        for path, columns, partition in files:
            target = Path(self.layout.staged_table, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            table = pa.table(dict(columns))
            pq.write_table(table, target)
            size = target.stat().st_size
            made.append(StagedFile(path=path, rows=table.num_rows, bytes=size, partition=partition))
        write_document(self.layout.manifest, StageManifest(files=made, columns=types))

    def manifest(self) -> StageManifest:
        return StageManifest.model_validate_json(Path(self.layout.manifest).read_bytes())


def bad_rows(uri: str | None) -> list[dict[str, Any]]:
    """Return the rows that were put aside."""
    assert uri is not None
    rows: list[dict[str, Any]] = pq.read_table(uri, partitioning=None).to_pylist()
    return rows


def outcome(result: GateResult, rule_id: str) -> RuleOutcome:
    """Return the outcome of one rule."""
    return next(found for found in result.rules if found.id == rule_id)
