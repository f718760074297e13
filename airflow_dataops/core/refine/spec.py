# SPDX-License-Identifier: Apache-2.0
"""What refining, publishing and reporting are told, and what they return."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from airflow_dataops.core.model import Model
from airflow_dataops.core.refine.cleaning import CastSpec, CleanSpec, DedupSpec, DriftSpec
from airflow_dataops.core.tables import (
    ColumnProfile,
    JobResult,
    JobSpec,
    MaskSpec,
    QuarantineSpec,
    RowCounts,
    Slice,
    SourceSpec,
    TargetSpec,
)


class RefineSpec(JobSpec):
    """Read a slice of bronze, clean it, and stage the final Parquet files of the silver table.

    Attributes:
        source: Table to read.
        slice: The run's rows of the source.
        exclude: Ids of gate tasks of this run whose quarantined rows are left out.
        clean: Cleaning steps.
        drift: Policy for changed columns.
        masks: Column (silver name) -> mask.
        target: Table that the files are staged for.
        quarantine: How rows are kept that do not cast.
        max_quarantine_ratio: Highest share of rows, 0..1, that may be put aside here before the job fails.
    """

    job: Literal["refine"] = "refine"
    source: SourceSpec
    slice: Slice
    exclude: list[str] = []
    clean: CleanSpec = CleanSpec()
    drift: DriftSpec = DriftSpec()
    masks: dict[str, MaskSpec] = {}
    target: TargetSpec
    quarantine: QuarantineSpec = QuarantineSpec()
    max_quarantine_ratio: float = Field(default=1.0, ge=0.0, le=1.0)


class StagedFile(Model):
    """One staged Parquet file.

    Attributes:
        path: Path relative to the table: partition folders and a name made from the run key.
        rows: Number of rows.
        bytes: Size.
        partition: Partition column -> value as text; None for null.
        window: Lowest and highest value of the slice's window column as ISO texts; None without one.
        nulls: Column -> nulls in the file, of the columns for which the writer counted them.
    """

    path: str
    rows: int
    bytes: int
    partition: dict[str, str | None] = {}
    window: tuple[str, str] | None = None
    nulls: dict[str, int] = {}


class StageManifest(Model):
    """All that waits for its commit.

    Attributes:
        files: The staged files, below ``RunLayout.staged_table``.
        columns: Column -> canonical type, in order, partition columns included.
        attempt: Names the try of the run that staged them; another try stages other files, even of the same rows.
        excluded: Gate task whose bad rows were left out -> fingerprint of the source that it had checked.
    """

    schema_version: Literal[1] = 1
    files: list[StagedFile]
    columns: dict[str, str]
    attempt: str = ""
    excluded: dict[str, str] = {}


class RefineResult(JobResult):
    """What refining did.

    Attributes:
        files: Number of staged files.
        columns: Nulls of each column of the staged table.
        drift: Changes of the schema that were met, one line each.
        casts_to_null: Column -> values that did not cast and became null.
    """

    job: Literal["refine"] = "refine"
    files: int = 0
    columns: list[ColumnProfile] = []
    drift: list[str] = []
    casts_to_null: dict[str, int] = {}


class PublishSpec(JobSpec):
    """Commit what is staged: bad rows first, then the table.

    Attributes:
        target: Table.
        slice: What the run owns of it.
        gates: Ids of the gate tasks of this run; a result that is missing or failed refuses the publish.
        quarantine: How bad rows are kept.
    """

    job: Literal["publish"] = "publish"
    target: TargetSpec
    slice: Slice
    gates: list[str] = []
    quarantine: QuarantineSpec = QuarantineSpec()


class PublishResult(JobResult):
    """What the commit did.

    Attributes:
        table: URI of the table.
        files_added: Number of files that joined the table.
        files_removed: Number of files that left it.
        rows_removed: Rows that left it.
        version: Delta version after the commit; None for parquet.
        already_done: True where an earlier try of the same run had committed, and nothing was left to do.
        quarantine_uri: Folder of the run's bad rows; None where there are none.
        rename_seconds: Of parquet: length of the window in which a reader may see a mix.
    """

    job: Literal["publish"] = "publish"
    table: str
    files_added: int = 0
    files_removed: int = 0
    rows_removed: int = 0
    version: int | None = None
    already_done: bool = False
    quarantine_uri: str | None = None
    rename_seconds: float | None = None


class ReportSpec(JobSpec):
    """Gather the step results of the run into ``result.json`` and the page.

    Attributes:
        title: Name of the pipeline as the page shows it.
        steps: Ids of the tasks whose results belong to the run, in order.
        history: Number of earlier runs in the charts.
    """

    job: Literal["report"] = "report"
    title: str
    steps: list[str]
    history: int = Field(default=30, ge=0, le=1000)


class RunResult(JobResult):
    """The whole run; ``result.json``. ``rows`` is the flow from the source to the table.

    Attributes:
        title: Name of the pipeline as the page shows it.
        verdict: ``passed``, ``warned``, ``quarantined`` (published, with bad rows put aside) or ``failed`` (a step failed or is missing).
        reasons: Why it is not ``passed``, one line each.
        steps: Result documents of the steps, in order; a step that left none is absent here and named in ``reasons``.
        published: True where the table was changed (or had been, by an earlier try of the run).
        table: URI of the table.
        page: URI of the HTML page.
    """

    job: Literal["report"] = "report"
    title: str
    verdict: Literal["passed", "warned", "quarantined", "failed"]
    reasons: list[str] = []
    steps: list[dict[str, Any]] = []
    published: bool = False
    table: str | None = None
    page: str | None = None


__all__ = [
    "CastSpec",
    "CleanSpec",
    "DedupSpec",
    "DriftSpec",
    "PublishResult",
    "PublishSpec",
    "RefineResult",
    "RefineSpec",
    "ReportSpec",
    "RowCounts",
    "RunResult",
    "StageManifest",
    "StagedFile",
]
