# SPDX-License-Identifier: Apache-2.0
"""Files as a Spark frame: the very columns, places and partition values that DuckDB gives for the same files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING

from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW
from airflow_dataops.engines.duckdb_session import Session, texts
from airflow_dataops.engines.spark_session import hadoop_uri, readable
from airflow_dataops.engines.spark_types import as_columns, quoted, text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PLACE = {SOURCE_FILE: "string", SOURCE_ROW: "bigint"}
_OF_FILE = "_dataops_of_file"
# An escape that is none, or a byte of a letter beyond ASCII; Spark takes each for a letter of its own, which is not meant.
_HALF = re.compile(r"%(?![0-7][0-9A-Fa-f])")
# What stands in a URI as it stands in a path.
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@,~$&!*()'-]*")


def frame_of(
    spark: SparkSession, files: Mapping[str, str], columns: Mapping[str, str], hive: Iterable[str] = ()
) -> DataFrame:
    """Return the rows of Parquet files, with the two source columns at the end.

    Args:
        spark: Session.
        files: File -> what all files of its schema have in common, see :func:`shapes_of`.
        columns: Column -> canonical type, without the two source columns.
        hive: Those of them that are made of ``key=value`` folders.
    """
    names, groups = list(hive), dict[tuple[str, str | None], list[str]]()
    for path, shape in files.items():
        groups.setdefault((shape, _base(path, names)), []).append(path)
    made = [_one_shape(spark, paths, base, columns, names) for (_, base), paths in groups.items()]
    return reduce(lambda above, below: above.unionAll(below), made)


def frame_beside(
    spark: SparkSession,
    files: Mapping[str, str],
    columns: Mapping[str, str],
    beside: Mapping[str, Mapping[str, str | None]],
) -> DataFrame:
    """Return the rows of Parquet files with columns that are the same in all rows of a file, as a Delta table's log says.

    Args:
        spark: Session.
        files: As in :func:`frame_of`.
        columns: Column -> canonical type of all of them.
        beside: File -> column -> its value as text.
    """
    from pyspark.sql.functions import broadcast

    names = list(next(iter(beside.values())))
    rows = frame_of(spark, files, {name: kind for name, kind in columns.items() if name not in names}, names)
    # A name of its own: a column of the table may be called as one of ours.
    given = [(path, *(values[name] for name in names)) for path, values in beside.items()]
    schema = ", ".join(f"{quoted(name)} STRING" for name in (_OF_FILE, *names))
    values = broadcast(spark.createDataFrame(given, schema))
    joined = rows.join(values, rows[SOURCE_FILE] == values[_OF_FILE], "left")
    # A file that Spark names otherwise than the log does must not lose its rows, or its values.
    lost = "CAST(RAISE_ERROR('the log says nothing of a file that was read') AS STRING)"
    items = [f"IF({_OF_FILE} IS NULL, {lost}, {quoted(name)}) AS {quoted(name)}" for name in names]
    return as_columns(joined.selectExpr(*map(quoted, rows.columns), *items), {**columns, **PLACE})


def shapes_of(session: Session, files: Sequence[str]) -> dict[str, str]:
    """Return file -> a digest of its schema: Spark reads the files of one schema together.

    Args:
        session: DuckDB's connection, which reads the footers.
        files: Parquet files.
    """
    found = session.run(
        "SELECT file_name, md5(list((name, type, type_length, logical_type, num_children))::VARCHAR) "  # noqa: S608
        f"FROM parquet_schema({texts(list(files))}) GROUP BY file_name"
    )
    known = {str(row[0]): str(row[1]) for row in found}
    return {path: known[path] for path in files}


def _one_shape(
    spark: SparkSession, paths: list[str], base: str | None, columns: Mapping[str, str], hive: Sequence[str]
) -> DataFrame:
    reader = spark.read
    if base is not None:
        reader = reader.option("basePath", hadoop_uri(base))
    frame = reader.parquet(*map(readable, paths))
    items = [quoted(field.name) for field in frame.schema.fields]
    there = {field.name.lower() for field in frame.schema.fields}
    if base is None:
        items = [item for item, field in zip(items, frame.schema.fields, strict=True) if field.name not in hive]
        items += [f"{_folder_value(name)} AS {quoted(name)}" for name in hive]
    if SOURCE_FILE.lower() not in there:
        items += [f"{_file(paths)} AS {SOURCE_FILE}", f"_metadata.row_index AS {SOURCE_ROW}"]
    return as_columns(frame.selectExpr(*items), {**columns, **PLACE})


def _base(path: str, hive: Sequence[str]) -> str | None:
    """Return the folder below which Spark finds the partition columns by itself; None where it would not find all of them."""
    folders = path.split("/")[:-1]
    count = len(folders)
    while count and "=" in folders[count - 1]:
        count -= 1
    below = [folder.partition("=")[0] for folder in folders[count:]]
    if not hive:
        return "/".join(folders)  # no folder is a column
    whole = not any(_HALF.search(folder) for folder in folders[count:])
    return "/".join(folders[:count]) if whole and set(hive) <= set(below) and len(set(below)) == len(below) else None


def _folder_value(name: str) -> str:
    """The last folder of that name, as DuckDB takes it."""
    found = f"REGEXP_EXTRACT(_metadata.file_path, {text(f'.*/{re.escape(name)}=([^/]*)/')}, 1)"
    value = _decoded(_decoded(found))  # as a URI, and as Hive writes it
    return f"NULLIF({value}, '__HIVE_DEFAULT_PARTITION__')"


def _file(paths: Sequence[str]) -> str:
    """Return the expression for a file's path as we write it; Spark writes it as a URI."""
    path = "_metadata.file_path"
    if "://" in paths[0]:
        own, theirs = paths[0].partition("://")[0], hadoop_uri(paths[0]).partition("://")[0]
        if own != theirs:
            path = f"CONCAT({text(own)}, SUBSTRING({path}, {len(theirs) + 1}))"
    else:
        # file:/x and file:///x, by version
        path = f"SUBSTRING({path}, IF(STARTSWITH({path}, 'file:///'), 8, 6))"
    return path if all(_PLAIN.fullmatch(one) for one in paths) else _decoded(path)


def _decoded(uri: str) -> str:
    return f"URL_DECODE(REPLACE({uri}, '+', '%2B'))"
