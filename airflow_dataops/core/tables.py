# SPDX-License-Identifier: Apache-2.0
"""What a job reads and writes: sources, slices, targets, masks, and the documents all jobs share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from airflow_dataops.core.model import Model
from airflow_dataops.core.run import RunContext

SourceFormat = Literal["parquet", "delta", "csv", "jsonl", "text"]
TableFormat = Literal["parquet", "delta"]
EngineName = Literal["duckdb", "dask", "spark"]

# Columns that a scan adds to every row, so that a bad row can be found again in its source.
SOURCE_FILE = "_dataops_source_file"
SOURCE_ROW = "_dataops_source_row"


class SecretRef(Model):
    """A secret by reference; its value is handed to a job beside the spec, never in it.

    Attributes:
        secret: ``env:NAME``, ``var:NAME`` or ``conn:ID`` (optionally ``conn:ID.field``).
    """

    secret: str


class CsvOptions(Model):
    """How a CSV file is written down. Everything is read as text first and cast by ``types`` or by ``clean.cast``."""

    delimiter: str = ","
    header: bool = True
    quote: str = '"'
    null_values: list[str] = [""]
    encoding: str = "utf-8"
    columns: list[str] | None = None


class SourceSpec(Model):
    """A table to read.

    Attributes:
        path: File, folder or glob; absolute or a URI, with all references expanded. ``key=value`` folders below it are columns, and so
            are those at its own end (``…/orders/day=2024-01-31``).
        format: How the files are encoded. gz, zst (and bz2, xz where the engine can) by the file's ending.
        csv: Options of ``csv``.
        pattern: Of ``text``: a regular expression with named groups, one column a group; without it, one column ``line``.
        flatten: Of ``jsonl``: column name -> dotted path inside the object (``user.address.city``).
        types: Column -> canonical type, for formats that carry none (csv, text, jsonl).
    """

    path: str
    format: SourceFormat = "parquet"
    csv: CsvOptions = CsvOptions()
    pattern: str | None = None
    flatten: dict[str, str] = {}
    types: dict[str, str] = {}


class FullSlice(Model):
    """The run owns the whole table."""

    kind: Literal["full"] = "full"


class WindowSlice(Model):
    """The run owns the rows whose ``column`` lies in its data interval.

    :func:`airflow_dataops.core.slices.window_bounds` makes the two ends of it.

    Attributes:
        column: Time column; a text is cast to a timestamp, a timestamp without zone is UTC.
        size: Unit to which the interval is widened at both ends, in the pipeline's time zone; None takes it as it is.
        lookback: How much further back the window starts: a whole number and ``m``, ``h``, ``d`` or ``w`` (``3d``).
    """

    kind: Literal["window"] = "window"
    column: str
    size: Literal["hour", "day", "week", "month", "year"] | None = None
    lookback: str = Field(default="0d", pattern=r"^\d+[mhdw]$")


class PartitionSlice(Model):
    """The run owns the partitions of the target with these values (texts as they stand in the path, run references expanded)."""

    kind: Literal["partitions"] = "partitions"
    values: dict[str, str]


class RunSlice(Model):
    """The run owns the files that were made of the same source before (a path with run references that name no partition).

    Attributes:
        source: What the run reads, run references expanded: two runs that read the same replace one another's rows. None: only the same
            run key does.
    """

    kind: Literal["run"] = "run"
    source: str | None = None


Slice = Annotated[FullSlice | WindowSlice | PartitionSlice | RunSlice, Field(discriminator="kind")]


class TargetSpec(Model):
    """A table to publish to.

    Attributes:
        path: Folder of the table; absolute or a URI.
        format: ``parquet`` (hive-partitioned folder) or ``delta``.
        partition_by: Columns of the hive partitions, outermost first.
        mode: ``replace`` replaces the run's slice; ``merge`` updates rows with equal ``keys`` and adds the others.
        keys: Of ``merge``: the columns that identify a row.
    """

    path: str
    format: TableFormat = "parquet"
    partition_by: list[str] = []
    mode: Literal["replace", "merge"] = "replace"
    keys: list[str] = []


class MaskSpec(Model):
    """How a column is made unreadable.

    Attributes:
        kind: ``sha256`` (hex text of salt + value), ``digits`` (each digit becomes X), ``last4`` (all but the last four characters
            become ``*``), ``drop`` (the column is left out), ``null``.
        salt: Of ``sha256``: a secret put before the value.
    """

    kind: Literal["sha256", "digits", "last4", "drop", "null"]
    salt: SecretRef | None = None


class QuarantineSpec(Model):
    """What becomes of bad rows.

    Attributes:
        mask: ``inherit`` masks the columns as the silver table does; ``none`` keeps them as they came.
        retention_days: Days after the interval's end that ``dataops maintain`` keeps them; None keeps them for ever.
    """

    mask: Literal["inherit", "none"] = "inherit"
    retention_days: int | None = Field(default=None, ge=1)


class Resources(Model):
    """Limits of a job's process.

    Attributes:
        memory_bytes: Memory of the whole process, of which the engine gets what the rest leaves; None takes a share of what is free.
        threads: Threads of the engine; None takes the cgroup's cores.
        spill_dir: Folder for what does not fit in memory; None takes the system's temporary folder.
    """

    memory_bytes: int | None = Field(default=None, ge=64 * 2**20)
    threads: int | None = Field(default=None, ge=1)
    spill_dir: str | None = None


class JobSpec(Model):
    """What all jobs are told.

    Attributes:
        schema_version: Version of this document.
        job: Stem of the job; fixed by each subclass.
        task: Id of the plan's task; names the result file.
        lake: Root of the lake, absolute or a URI, without a slash at the end.
        run: The run.
        engine: Engine that does the work.
        resources: Limits of the process.
    """

    schema_version: Literal[1] = 1
    job: str
    task: str
    lake: str
    run: RunContext
    engine: EngineName = "duckdb"
    resources: Resources = Resources()


class RowCounts(Model):
    """Rows through a step. ``read == quarantined + sum(dropped) + deduplicated + written`` for a refine step."""

    read: int = 0
    quarantined: int = 0
    dropped: dict[str, int] = {}
    deduplicated: int = 0
    written: int = 0


class ColumnProfile(Model):
    """One column of what a step read or wrote."""

    name: str
    type: str
    rows: int
    nulls: int


class JobResult(Model):
    """What all jobs return.

    Attributes:
        status: ``ok``, or ``failed`` (then ``error`` is set).
        error: The error's document (:meth:`airflow_dataops.core.errors.DataOpsError.to_dict`).
        rows: Row counts.
        bytes_read: Size of the files read.
        bytes_written: Size of the files written.
        seconds: Step name -> wall seconds, with ``total``.
        versions: Package -> version of what did the work.
        started_at: Wall clock at the start, UTC (for the page; no path or key is made of it).
        peak_memory_bytes: Highest resident size of the process; None where the system does not say.
    """

    schema_version: Literal[1] = 1
    job: str
    task: str
    run: RunContext
    status: Literal["ok", "failed"] = "ok"
    error: dict[str, Any] | None = None
    rows: RowCounts = RowCounts()
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: dict[str, float] = {}
    versions: dict[str, str] = {}
    started_at: AwareDatetime | None = None
    peak_memory_bytes: int | None = None
