# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""Text, CSV and JSON lines -> Parquet, once for all steps of a run. A line that does not decode is kept with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from airflow_dataops.clients.storage import FileInfo, Storage, storage_for
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.model import Model
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW, SourceSpec
from airflow_dataops.engines import duckdb_formats as formats
from airflow_dataops.engines.duckdb_session import Session, cast_sql, ident, text
from airflow_dataops.engines.files import fingerprint, partitions_below, root_of, source_files

LINE = "_dataops_line"
REASON = "_dataops_reason"


class Decoded(Model):
    """What was decoded; the marker that a later step of the run looks for.

    Attributes:
        fingerprint: Digest of the source's files.
        declared: The source as it was declared, as JSON.
        files: Parquet files, good and bad lines together.
        columns: Column -> canonical type.
        rows: Lines that decoded.
        rejected: Lines that did not.
    """

    fingerprint: str
    declared: str
    files: list[str]
    columns: dict[str, str]
    rows: int
    rejected: int


@dataclass(frozen=True)
class DecodedFile:
    """One source file as Parquet.

    Attributes:
        path: The Parquet file.
        columns: Its columns.
        rows: Lines that decoded.
        rejected: Lines that did not.
    """

    path: str
    columns: tuple[str, ...]
    rows: int
    rejected: int


def decode(
    session: Session,
    storage: Storage,
    source: SourceSpec,
    files: list[FileInfo],
    folder: str,
    *,
    all_of: Callable[[Sequence[tuple[str, str]]], list[DecodedFile]] | None = None,
) -> Decoded:
    """Decode the files of a source into ``folder``, or take what an earlier step of the run decoded there.

    Args:
        session: Connection.
        storage: Where source and folder lie.
        source: The source.
        files: Its files.
        folder: Where the Parquet files go.
        all_of: Decodes pairs of a file and its Parquet file, as :func:`decode_file` does one; here, one after the other, when omitted.

    Raises:
        InputError: A file is unreadable, no line of the source decodes (``SOURCE_UNREADABLE``), or the source changed while it was
            read (``SOURCE_CHANGED``).
    """
    marker, now, declared = f"{folder}/source.json", fingerprint(files), source.model_dump_json()
    known = _read(storage, marker)
    if known and (known.fingerprint, known.declared) == (now, declared):
        return known
    storage.delete_tree(folder)
    pairs = [(info.path, f"{folder}/{number:05d}.parquet") for number, info in enumerate(files)]
    here = all_of or (lambda each: [decode_file(session, storage, source, path, target) for path, target in each])
    parts = here(pairs)
    lies = storage if _scheme(source.path) == _scheme(folder) else storage_for(source.path)
    if fingerprint(source_files(lies, source.path)) != now:
        raise InputError(
            f"source {source.path!r} changed while it was read",
            hint="run it again once the delivery is complete",
            code="SOURCE_CHANGED",
        )
    names = list(dict.fromkeys(name for part in parts for name in part.columns))
    done = Decoded(
        fingerprint=now,
        declared=declared,
        files=[part.path for part in parts],
        columns={name: _type(source, name) for name in names},
        rows=sum(part.rows for part in parts),
        rejected=sum(part.rejected for part in parts),
    )
    _refuse_garbage(session, source, done)
    storage.write_bytes(marker, done.model_dump_json().encode())
    return done


def decode_file(session: Session, storage: Storage, source: SourceSpec, path: str, target: str) -> DecodedFile:
    """Write one source file as one Parquet file: columns, where each row was, and line and reason of those that failed."""
    from airflow_dataops.engines.duckdb_parquet import write_parquet

    folders = partitions_below(root_of(source.path), path)
    lies = storage if _scheme(path) == _scheme(target) else storage_for(path)
    plan = formats.plan(session, lies, source, path, folders=folders)
    folders = {name: value for name, value in folders.items() if name not in plan.columns}
    names = [*plan.columns, *folders]
    with formats.registered(session, lies, source, path) as lines:
        good = [f"{ident(name)} IS NOT NULL AND {ident('=' + name)} IS NULL" for name in names if name in source.types]
        broken = " ".join(
            f"WHEN {failed} THEN {text(f'column {name}: ')} || {ident(name)} || {text(f' is not {_type(source, name)}')}"
            for name, failed in zip([n for n in names if n in source.types], good, strict=True)
        )
        reason = f"CASE WHEN {REASON} IS NOT NULL THEN {REASON} {broken} END"
        casts = [f"{_value(source, name)} AS {ident('=' + name)}" for name in names]
        columns = [f"CASE WHEN why IS NULL THEN {ident('=' + name)} END AS {ident(name)}" for name in names]
        above = [
            f"{'NULL' if value is None else text(value)}::VARCHAR AS {ident(name)}" for name, value in folders.items()
        ]
        query = f"""
            WITH split AS (SELECT {", ".join(["*", *above])} FROM ({plan.query(lines)})),
            typed AS (SELECT *, {", ".join(casts)} FROM split),
            judged AS (SELECT *, {reason} AS why FROM typed)
            SELECT {", ".join([*columns, ""])} {text(path)} AS {SOURCE_FILE}, {SOURCE_ROW},
                CASE WHEN why IS NOT NULL THEN {LINE} END AS {LINE}, why AS {REASON}
            FROM judged"""
        write_parquet(session, storage, query, target)
    rows, rejected = session.run(
        f"SELECT count(*) - count({REASON}), count({REASON}) FROM read_parquet({text(target)})"
    )[0]
    return DecodedFile(target, tuple(names), rows, rejected)


def _scheme(path: str) -> str:
    return path.partition("://")[0] if "://" in path else ""


def _value(source: SourceSpec, name: str) -> str:
    return cast_sql(name, "string", source.types[name]) if name in source.types else ident(name)


def _type(source: SourceSpec, name: str) -> str:
    from airflow_dataops.core.sql.types import canonical

    return canonical(source.types.get(name, "string"))


def _read(storage: Storage, marker: str) -> Decoded | None:
    data = storage.read_bytes(marker)
    if data is None:
        return None
    try:
        known = Decoded.model_validate_json(data)
    except ValidationError:
        return None
    return known if all(storage.info(path) for path in known.files) else None


def _refuse_garbage(session: Session, source: SourceSpec, done: Decoded) -> None:
    if done.rows or not done.rejected:
        return
    listed = ", ".join(map(text, done.files))
    worst = session.rows(
        f"SELECT {SOURCE_FILE} AS file, {SOURCE_ROW} AS line, {REASON} AS reason FROM read_parquet([{listed}]) "
        f"ORDER BY 1, 2 LIMIT 3"
    )
    examples = "; ".join(f"{row['file']} line {row['line'] + 1}: {row['reason']}" for row in worst)
    raise InputError(
        f"none of the {done.rejected} lines of {source.path!r} decodes as {source.format}: {examples}",
        hint="check source.format and its options (csv, pattern, flatten, types) against the file",
        code="SOURCE_UNREADABLE",
        details={"examples": json.loads(json.dumps(worst, default=str))},
    )
