# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""How a line becomes columns: text patterns, CSV records, JSON objects. All of it is SQL over numbered lines."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from airflow_dataops.clients.storage import Storage
from airflow_dataops.core.errors import DataOpsError, InputError, SpecError
from airflow_dataops.core.tables import SOURCE_ROW, SourceSpec
from airflow_dataops.engines.duckdb_session import Session, ident, text, texts
from airflow_dataops.engines.files import unreadable

_LINES = "_dataops_lines"
_MOST_KEYS = 2000
_STEP = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")
_NOT_TEXT = "'not valid UTF-8'"


@dataclass(frozen=True)
class Plan:
    """How the lines of one file are split.

    Attributes:
        columns: Columns that come out, all text.
        query: Relation of ``(line_number, line)`` -> query with the columns, ``_dataops_source_row``, ``_dataops_line`` and
            ``_dataops_reason`` (null where the line is good).
    """

    columns: list[str]
    query: Callable[[str], str]


def plan(session: Session, storage: Storage, source: SourceSpec, path: str, *, folders: Iterable[str] = ()) -> Plan:
    """Return how ``path`` is split; ``folders`` are the columns that its ``key=value`` folders bring.

    Raises:
        SpecError: The pattern, delimiter or a flatten path is not valid, or ``types`` names a column that cannot come out.
        InputError: A CSV header is missing or has a column twice (``SOURCE_SCHEMA``).
    """
    if source.format == "text":
        made = _text(session, source)
    else:
        made = _csv(storage, source, path) if source.format == "csv" else _jsonl(session, storage, source, path)
    declared = source.format == "text" or (source.format == "jsonl" and source.flatten)
    known = [*made.columns, *folders]
    unknown = sorted(set(source.types) - set(known))
    if declared and unknown:
        listed = ", ".join(known)
        raise SpecError(f"source.types names {unknown[0]!r}; the columns are: {listed}", code="UNKNOWN_COLUMN")
    return made


@contextlib.contextmanager
def registered(session: Session, storage: Storage, source: SourceSpec, path: str) -> Iterator[str]:
    """Make a file's lines a relation that can be read once; gives its name."""
    import pyarrow as pa

    from airflow_dataops.engines import lines

    is_csv = source.format == "csv"
    encoding, quote = (source.csv.encoding, source.csv.quote) if is_csv else ("utf-8", "")
    failed: list[DataOpsError] = []

    def kept() -> Iterator[pa.RecordBatch]:
        # DuckDB gives only the text of what a reader raises: the error itself is kept for the caller.
        try:
            yield from lines.batches(storage, path, encoding=encoding, quote=quote)
        except DataOpsError as error:
            failed.append(error)
            raise

    session.connection.register(_LINES, pa.RecordBatchReader.from_batches(lines.SCHEMA, kept()))
    try:
        yield _LINES
    except Exception:
        if failed:
            raise failed[0] from None
        raise
    finally:
        session.connection.unregister(_LINES)


def _base(lines: str) -> str:
    """Lines as text, without a carriage return at the end; null where the bytes are no text."""
    return f"SELECT line_number AS {SOURCE_ROW}, rtrim(TRY(decode(line)), chr(13)) AS s, line AS raw FROM {lines}"


def _query(lines: str, where: str, parsed: str, columns: list[str], reason: str, *, pieces: str = "") -> str:
    base = _base(lines)
    if pieces:
        # The piece's number is its line within the record.
        base = f"""
            WITH records AS ({base}), cut AS (SELECT {SOURCE_ROW} AS first, raw, {pieces} AS pieces FROM records)
            SELECT first + unnest(range(len(pieces))) AS {SOURCE_ROW}, rtrim(unnest(pieces), chr(13)) AS s, raw FROM cut"""
    return f"""
        WITH base AS ({base}), parsed AS (SELECT *, {parsed} FROM base WHERE {where})
        SELECT {", ".join([*columns, ""])} {SOURCE_ROW}, coalesce(s, raw::VARCHAR) AS _dataops_line,
            CASE WHEN s IS NULL THEN {_NOT_TEXT} {reason} END AS _dataops_reason
        FROM parsed"""


def _text(session: Session, source: SourceSpec) -> Plan:
    if source.pattern is None:
        return Plan(["line"], lambda lines: _query(lines, "TRUE", "0 AS f", ['s AS "line"'], ""))
    try:
        compiled = re.compile(source.pattern)
        session.run(f"SELECT regexp_matches('', {text(source.pattern)})")
    except (re.error, InputError) as error:
        raise SpecError(
            f"source.pattern {source.pattern!r} is not a regular expression of RE2: {error}",
            hint="named groups are (?P<name>…); look-around and back-references are not supported",
            code="PATTERN_INVALID",
        ) from error
    columns = list(compiled.groupindex)
    if not columns:
        raise SpecError(
            "source.pattern has no named group", hint="write (?P<name>…) for each column", code="PATTERN_INVALID"
        )
    groups = [f"_group{number}" for number in range(1, compiled.groups + 1)]
    for name, number in compiled.groupindex.items():
        groups[number - 1] = name
    pattern = text(source.pattern)
    parsed = f"regexp_extract(s, {pattern}, {texts(groups)}) AS f, regexp_matches(s, {pattern}) AS fits"
    values = [f"nullif(f[{text(name)}], '') AS {ident(name)}" for name in columns]
    return Plan(
        columns,
        lambda lines: _query(lines, "TRUE", parsed, values, "WHEN NOT fits THEN 'does not match source.pattern'"),
    )


def _jsonl(session: Session, storage: Storage, source: SourceSpec, path: str) -> Plan:
    paths = {name: _json_path(at) for name, at in source.flatten.items()}
    paths = paths or {key: f"$.{_quoted(key)}" for key in _keys(session, storage, source, path)}
    # TRY: an invalid document has no values, and no error either.
    found = f"TRY(json_extract_string(s, {texts(list(paths.values()))}))" if paths else "NULL"
    valid = "s IS NOT NULL AND json_valid(s)"
    parsed = f"CASE WHEN {valid} THEN TRY(json_type(s)) = 'OBJECT' ELSE FALSE END AS fits, {found} AS f"
    values = [f"f[{number}] AS {ident(name)}" for number, name in enumerate(paths, 1)]
    reason = "WHEN NOT fits THEN 'not a JSON object'"
    return Plan(list(paths), lambda lines: _query(lines, "s IS NULL OR trim(s) <> ''", parsed, values, reason))


def _keys(session: Session, storage: Storage, source: SourceSpec, path: str) -> list[str]:
    """Return the keys of all objects of a file, in the order in which they first appear."""
    with registered(session, storage, source, path) as lines:
        keys = session.run(f"""
            WITH base AS ({_base(lines)}),
            named AS (SELECT {SOURCE_ROW} AS n, TRY(json_keys(s)) AS k FROM base WHERE s IS NOT NULL AND json_valid(s)),
            flat AS (SELECT n, unnest(k) AS key, unnest(range(len(k))) AS place FROM named)
            SELECT key FROM flat GROUP BY key ORDER BY min((n, place)) LIMIT {_MOST_KEYS + 1}""")
    if len(keys) > _MOST_KEYS:
        raise InputError(
            f"{path} has more than {_MOST_KEYS} different keys",
            hint="name the ones you need in source.flatten: {column: path}",
            code="SOURCE_SCHEMA",
        )
    return [str(row[0]) for row in keys]


def _json_path(at: str) -> str:
    steps = at.split(".")
    found = [_STEP.fullmatch(step) for step in steps]
    if not at or any(step is None for step in found):
        raise SpecError(
            f"source.flatten: {at!r} is not a path", hint="write user.address.city or items[0].id", code="FLATTEN_PATH"
        )
    return "$" + "".join(f".{_quoted(step[1])}{step[2]}" for step in found if step)


def _quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _csv(storage: Storage, source: SourceSpec, path: str) -> Plan:
    options = source.csv
    if len(options.delimiter) != 1 or len(options.quote) > 1 or options.delimiter == options.quote:
        raise SpecError(
            f"source.csv: delimiter {options.delimiter!r} and quote {options.quote!r} must be one character each, and differ",
            hint='quote: "" reads a file without quoting',
            code="CSV_OPTIONS",
        )
    header, columns = _csv_columns(storage, source, path)
    delimiter, quote = text(options.delimiter), text(options.quote)
    split = f"string_split(s, {delimiter})"
    grammar, pieces = "TRUE", ""
    if options.quote:
        d, q = re.escape(options.delimiter), re.escape(options.quote)
        field = f"{q}(?:[^{q}]|{q}{q})*{q}|[^{d}{q}]*"
        quoted = f"contains(s, {quote})"
        # A delimiter goes before the record, so that no field matches without one and an empty field is never skipped.
        inside = f"replace(x[2:-2], {text(options.quote * 2)}, {quote})"
        fields = f"regexp_extract_all({delimiter} || s, {text(f'{d}({field})')}, 1, 's')"
        split = f"CASE WHEN {quoted} THEN [CASE WHEN starts_with(x, {quote}) THEN {inside} ELSE x END FOR x IN {fields}] ELSE {split} END"
        grammar = f"(NOT {quoted} OR regexp_full_match({delimiter} || s, {text(f'(?:{d}(?:{field}))+')}, 's'))"
        # A stray quote has swallowed lines that are good on their own.
        pieces = f"CASE WHEN contains(s, chr(10)) AND NOT {grammar} THEN string_split(s, chr(10)) ELSE [s] END"
    where = f"(s IS NULL OR s <> ''){f' AND {SOURCE_ROW} > {header}' if options.header else ''}"
    nulls = texts(options.null_values) if options.null_values else "[]::VARCHAR[]"
    values = [
        f"CASE WHEN NOT list_contains({nulls}, f[{number}]) THEN f[{number}] END AS {ident(name)}"
        for number, name in enumerate(columns, 1)
    ]
    reason = (
        f"WHEN NOT fits THEN 'a quote is not closed or stands inside a field' "
        f"WHEN len(f) <> {len(columns)} THEN len(f) || ' fields instead of {len(columns)}'"
    )
    return Plan(
        columns, lambda lines: _query(lines, where, f"{split} AS f, {grammar} AS fits", values, reason, pieces=pieces)
    )


def _csv_columns(storage: Storage, source: SourceSpec, path: str) -> tuple[int, list[str]]:
    """Return the line number of the header (0 without one) and the column names."""
    from airflow_dataops.engines import lines

    options = source.csv
    if options.columns and not options.header:
        return 0, options.columns
    for batch in lines.batches(storage, path, encoding=options.encoding, quote=options.quote):
        for row in islice(batch.to_pylist(), 1000):
            if row["line"].strip():
                return row["line_number"], _header(source, path, row["line"].rstrip(b"\r"))
    raise unreadable(path, "it has no line")


def _header(source: SourceSpec, path: str, line: bytes) -> list[str]:
    options = source.csv
    dialect: dict[str, Any] = {"delimiter": options.delimiter, "strict": True}
    dialect |= {"quotechar": options.quote} if options.quote else {"quoting": csv.QUOTE_NONE}
    try:
        names = next(csv.reader([line.decode()], **dialect))
    except (csv.Error, UnicodeDecodeError) as error:
        raise unreadable(path, f"its first line is no CSV header: {error}") from error
    if not options.header:
        return [f"column{number}" for number in range(1, len(names) + 1)]
    names = [name.strip() for name in names]
    if options.columns is not None:
        if len(options.columns) != len(names):
            raise InputError(
                f"{path} has {len(names)} columns, source.csv.columns names {len(options.columns)}",
                code="SOURCE_SCHEMA",
            )
        return options.columns
    folded = [name.lower() for name in names]
    wrong = next((name for name in names if not name or folded.count(name.lower()) > 1), None)
    if wrong is not None:
        what = f"the column {wrong!r} more than once" if wrong else "a column without a name"
        hint = "name the columns yourself in source.csv.columns"
        raise InputError(f"the header of {path} has {what}", hint=hint, code="SOURCE_SCHEMA")
    return names
