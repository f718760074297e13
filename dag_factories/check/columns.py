# SPDX-License-Identifier: Apache-2.0
"""The columns of a source, where its files are there: from the footer, the header or the pattern, never from the rows."""

from __future__ import annotations

import csv
import gzip
import os
import re
from pathlib import Path
from typing import Any

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.tables import SourceSpec
from dag_factories.check.context import Context
from dag_factories.references import SECRET_KINDS, parse

_RUN = re.compile(r"\$\{run\.[a-z_]*\}")
_GLOB = re.compile(r"[*?\[]")
_NAMED_GROUP = re.compile(r"\(\?P?<([A-Za-z_]\w*)>")


def source_columns(context: Context) -> dict[str, str | None] | None:
    """Return column -> canonical type of a pipeline's source; a type that only an engine knows is None.

    Returns:
        None where nothing is known: no files are there, the lake is elsewhere, or the format does not say.
    """
    source = getattr(context.spec, "source", None)
    if source is None or context.target is None:
        return None
    path = context.project.table(source.path, context.target)
    try:
        if "://" in path or any(ref.kind in SECRET_KINDS for ref in parse(path)):
            return None
        return _columns(source, _RUN.sub("*", path))
    except (DataOpsError, OSError, ValueError, EOFError, csv.Error):
        return None  # a file that cannot be read is the run's to tell; a check of the YAML does not fail on data


def _columns(source: SourceSpec, path: str) -> dict[str, str | None] | None:
    if source.format == "text":
        names = _NAMED_GROUP.findall(source.pattern) if source.pattern else ["line"]
        return _declared(source, names, path)
    if source.format == "jsonl":
        return _declared(source, list(source.flatten), path) if source.flatten else None
    if source.format == "csv" and source.csv.columns:
        return _declared(source, source.csv.columns, path)
    if source.format not in ("csv", "parquet"):
        return None
    files = _files(path)
    if source.format == "csv":
        return _declared(source, _header(source, files[0]), path)
    found: dict[str, str | None] = {}
    for file in dict.fromkeys((files[0], files[-1])):
        found |= _footer(file)
    # What an engine makes of a folder's value is its guess.
    return found | {name: source.types.get(name) for name in _folders(path, files[0]) if name not in found}


def _files(path: str) -> list[str]:
    glob = _GLOB.search(path)
    if not os.path.exists(path[: glob.start()].rpartition("/")[0] or "/" if glob else path):
        raise FileNotFoundError(path)  # before anything is loaded to look for it
    from airflow_dataops.clients.storage import storage_for
    from airflow_dataops.engines.files import source_files

    return [info.path for info in source_files(storage_for(path), path)]


def _declared(source: SourceSpec, names: list[str], path: str) -> dict[str, str | None]:
    """Return the columns of a text format, those of its folders last: texts, but for those that have a type."""
    try:
        example = _files(path)[0]
    except (DataOpsError, OSError):
        example = f"{path}/file"  # nothing is there yet, but the path itself may say
    return {name: source.types.get(name, "string") for name in dict.fromkeys([*names, *_folders(path, example)])}


def _header(source: SourceSpec, file: str) -> list[str]:
    if not source.csv.header:
        raise ValueError("a CSV file without a header has no names")
    opened: Any = gzip.open if file.endswith(".gz") else open
    if Path(file).suffix in (".zst", ".bz2", ".xz"):
        raise ValueError("the header is compressed")
    with opened(file, "rt", encoding=source.csv.encoding, newline="") as stream:
        first = stream.readline(64 * 1024)
    return next(
        csv.reader([first.removeprefix("\ufeff")], delimiter=source.csv.delimiter, quotechar=source.csv.quote or None)
    )


def _footer(file: str) -> dict[str, str | None]:
    import pyarrow.parquet

    return {column.name: _canonical(column.type) for column in pyarrow.parquet.read_schema(file)}


def _canonical(kind: Any) -> str | None:
    from airflow_dataops.clients.arrow import name_of

    try:
        return name_of(kind)
    except DataOpsError:
        return None


def _folders(path: str, file: str) -> list[str]:
    """Return the names of the hive partitions on the way to a file of a source."""
    from airflow_dataops.engines.files import partitions_below, root_of

    return list(partitions_below(root_of(path), file))
