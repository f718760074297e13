# SPDX-License-Identifier: Apache-2.0
"""Final Parquet files written by Spark's executors, and what publishing needs to know about each."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_dataops.clients.storage import FileInfo, Storage, sync, sync_all
from airflow_dataops.core.errors import StorageError
from airflow_dataops.core.refine.spec import StagedFile
from airflow_dataops.engines.duckdb_session import Session
from airflow_dataops.engines.duckdb_write import bounds
from airflow_dataops.engines.spark_session import hadoop_uri
from airflow_dataops.engines.spark_types import canonical, quoted, text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_FOOTERS = 16
_CLOUD = "org.apache.spark.internal.io.cloud"
# Files appear when the driver commits the job, so that a task which ran twice, or died, leaves none.
_MAGIC = {
    "fs.s3a.committer.name": "magic",
    "fs.s3a.committer.magic.enabled": "true",
    "mapreduce.outputcommitter.factory.scheme.s3a": "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
}
# No checksum files beside ours.
_RAW = {"fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem", "fs.file.impl.disable.cache": "true"}


def write_files(
    frame: DataFrame,
    session: Session,
    storage: Storage,
    folder: str,
    *,
    partition_by: Sequence[str],
    stem: str,
    window: str | None,
) -> list[StagedFile]:
    """Write rows below ``folder``; returns the files that hold some, sorted by path.

    Args:
        frame: The rows.
        session: DuckDB's connection, for moments that no footer tells.
        storage: Where the folder lies.
        folder: Folder that holds nothing yet.
        partition_by: Hive partition columns, outermost first; left out of the files.
        stem: Belongs to this try alone.
        window: Column whose lowest and highest moment is recorded; None for none.
    """
    spread = _together(_refusing_empty(frame, partition_by), partition_by) if partition_by else frame
    # Spark names the files itself; in a folder of this try's own, nothing of another try is taken for ours.
    own = f"{folder}/{hashlib.sha256(stem.encode()).hexdigest()[:16]}"
    written = _save(spread, storage, own, partition_by)
    with ThreadPoolExecutor(_FOOTERS) as pool:
        footers = list(pool.map(lambda info: _footer(storage, info.path), written))
    found = []
    for info, footer in zip(written, footers, strict=True):
        if footer.num_rows:
            found.append(_staged(info, footer, folder, partition_by, window))
        else:
            storage.delete(info.path)
    if window:
        # A text's order is not that of its moments, and a folder's value is in no footer.
        unknown = [f"{folder}/{file.path}" for file in found if file.window is None]
        ends = bounds(session, unknown, window, partition_by)
        found = [file.model_copy(update={"window": ends.get(f"{folder}/{file.path}", file.window)}) for file in found]
    return sorted(found, key=lambda file: file.path)


def write_one(frame: DataFrame, storage: Storage, path: str) -> int:
    """Write rows, in their order, into one file, whole or not at all; returns their number.

    Args:
        frame: Rows in one partition.
        storage: Where the file lies.
        path: The file.
    """
    parts = f"{path.rpartition('/')[0]}/_parts-{uuid.uuid4().hex}"
    try:
        written = _save(frame, storage, parts, ())
        if len(written) != 1:
            raise StorageError(f"{len(written)} files were written at {parts} where one was to be")
        rows = int(_footer(storage, written[0].path).num_rows)
        if "://" in path:
            storage.copy(written[0].path, path)
        else:
            os.replace(written[0].path, path)
            sync(path.rpartition("/")[0])
    finally:
        storage.delete_tree(parts)
    return rows


def _save(frame: DataFrame, storage: Storage, folder: str, partition_by: Sequence[str]) -> list[FileInfo]:
    remote = "://" in folder
    options = {"mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}
    options |= {} if remote else _RAW
    if folder.startswith(("s3://", "s3a://")) and _has_committer(frame):
        options |= _MAGIC
        frame.sparkSession.conf.set("spark.sql.sources.commitProtocolClass", f"{_CLOUD}.PathOutputCommitProtocol")
        frame.sparkSession.conf.set(
            "spark.sql.parquet.output.committer.class", f"{_CLOUD}.BindingParquetOutputCommitter"
        )
    writer: DataFrameWriter = frame.write.mode("append").options(**options)
    if partition_by:
        writer = writer.partitionBy(*partition_by)
    if not remote:
        os.makedirs(folder, exist_ok=True)
    writer.parquet(hadoop_uri(folder))
    found = [info for info in storage.find(folder) if info.path.endswith(".parquet")]
    if not remote:
        _sync([info.path for info in found], folder)
    return found


def _has_committer(frame: DataFrame) -> bool:
    """Whether the jar with the committers for object stores is there; without it S3A renames files by copying each twice."""
    spark: Any = frame.sparkSession
    try:
        # By the loader that knows the jars of --jars, too; Class.forName does not.
        spark._jvm.org.apache.spark.util.Utils.classForName(f"{_CLOUD}.PathOutputCommitProtocol", False, False)
    except Exception:  # noqa: BLE001 - Py4J's own errors, none of which says more
        return False
    return True


def _refusing_empty(frame: DataFrame, partition_by: Sequence[str]) -> DataFrame:
    """Spark would write an empty text into the folder of null, and nobody would know."""
    items = []
    for field in frame.schema.fields:
        name, item = field.name, quoted(field.name)
        if name in partition_by and canonical(field.dataType) == "string":
            said = text(f"column {name!r} has an empty text, which no partition folder can hold on Spark")
            item = f"IF({item} = '', CAST(RAISE_ERROR({said}) AS STRING), {item}) AS {item}"
        items.append(item)
    return frame.selectExpr(*items)


def _together(frame: DataFrame, partition_by: Sequence[str]) -> DataFrame:
    """Bring the rows of a partition together, or each task would write a file for each; large partitions stay in several."""
    view = f"dataops_{uuid.uuid4().hex}"
    frame.createOrReplaceTempView(view)
    try:
        return frame.sparkSession.sql(
            f"SELECT /*+ REBALANCE({', '.join(map(quoted, partition_by))}) */ * FROM {view}"  # noqa: S608
        )
    finally:
        frame.sparkSession.catalog.dropTempView(view)


def _footer(storage: Storage, path: str) -> Any:
    import pyarrow.parquet as pq

    with storage.open(path) as raw:
        return pq.read_metadata(raw)


def _staged(info: FileInfo, footer: Any, folder: str, partition_by: Sequence[str], window: str | None) -> StagedFile:
    nulls, low, high = dict[str, int](), list[Any](), list[Any]()
    for place in range(footer.num_columns):
        chunks = [footer.row_group(group).column(place) for group in range(footer.num_row_groups)]
        name, flat = chunks[0].path_in_schema, footer.schema.column(place).max_repetition_level == 0
        known = [chunk.statistics for chunk in chunks]
        if (
            flat
            and footer.schema.column(place).path == footer.schema.column(place).name
            and all(one is not None and one.has_null_count for one in known)
        ):
            nulls[name] = sum(one.null_count for one in known)
        if name == window and all(one is not None for one in known):
            low = [one.min for one in known if one.has_min_max]
            high = [one.max for one in known if one.has_min_max]
    relative = info.path[len(folder) + 1 :]
    return StagedFile(
        path=relative,
        rows=footer.num_rows,
        bytes=info.size,
        partition=_partition(relative, partition_by),
        window=_ends(low, high) if low else None,
        nulls=nulls,
    )


def _ends(low: list[Any], high: list[Any]) -> tuple[str, str] | None:
    """Return the ends as ISO texts; None for what is no moment, such as a text, whose order is another."""
    if not all(isinstance(value, date) for value in (*low, *high)):
        return None
    return _moment(min(low)), _moment(max(high))


def _moment(value: date) -> str:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - in UTC by the next line
    return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()


def _partition(relative: str, partition_by: Sequence[str]) -> dict[str, str | None]:
    folders = dict(part.partition("=")[::2] for part in relative.split("/")[1:-1])
    values = {name: unquote(folders[name]) for name in partition_by}
    return {name: None if value == _HIVE_NULL else value for name, value in values.items()}


def _sync(files: list[str], folder: str) -> None:
    """Make files and every folder above them durable."""
    folders = {folder}
    for path in files:
        above = path
        while (above := above.rpartition("/")[0]) != folder:
            folders.add(above)
    sync_all([*files, *folders])
