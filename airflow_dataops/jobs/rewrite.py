# SPDX-License-Identifier: Apache-2.0
"""Files of a table that are written anew without some of their rows: those of a window, or those with the same keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlglot import exp

from airflow_dataops.core.errors import PublishError
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW
from airflow_dataops.engines.base import Engine
from airflow_dataops.jobs.table_files import moment_of

_OLD, _ALL, _NEW = "_dataops_old", "_dataops_table", "_dataops_new"


def outside_window(
    engine: Engine, file: str, target: str, *, column: str, low: datetime, high: datetime, drop: Sequence[str]
) -> int:
    """Write the rows of ``file`` that lie outside of a window into ``target``; returns their number.

    Args:
        engine: Does it.
        file: File of the table.
        target: File to write.
        column: Window column.
        low: Start of the window, inclusive.
        high: End of the window, exclusive.
        drop: Partition columns: they stand in the path, not in the file.
    """
    columns = engine.open_parquet([file], _OLD).columns
    moment = moment_of(column, columns[column])
    inside = exp.and_(
        exp.GTE(this=moment, expression=_moment(low)), exp.LT(this=moment.copy(), expression=_moment(high)), copy=False
    )
    stays = exp.Not(this=exp.Coalesce(this=inside, expressions=[exp.false()]))
    return engine.write_file(_select(columns, drop).from_(_table(_OLD)).where(stays), target)


def open_staged(engine: Engine, staged: Sequence[str], keys: Sequence[str], types: Mapping[str, str]) -> None:
    """Make the staged rows ready for a merge.

    Raises:
        PublishError: Two staged rows have the same keys, so that it is open which one is to stay (``MERGE_KEYS_TWICE``).
    """
    engine.open_parquet(staged, _NEW, types=types)
    names = [exp.column(key, quoted=True) for key in keys]
    twice = exp.select(*names, exp.alias_(exp.Count(this=exp.Star()), "_times")).from_(_table(_NEW)).group_by(*names)
    found = engine.rows(
        twice.having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1))).limit(3)
    )
    if found:
        shown = [{key: row[key] for key in keys} for row in found]
        raise PublishError(
            f"the staged rows have the same keys more than once, for example {shown[0]}",
            hint=f"add clean: {{dedup: {{keys: [{', '.join(keys)}]}}}}",
            code="MERGE_KEYS_TWICE",
            details={"examples": [{key: str(value) for key, value in row.items()} for row in shown]},
        )


def holding_keys(engine: Engine, files: Sequence[str], keys: Sequence[str], types: Mapping[str, str]) -> dict[str, int]:
    """Return file -> number of rows whose keys are among the staged ones (:func:`open_staged` first)."""
    if not files:
        return {}
    columns = engine.open_parquet(files, _ALL, types=types).columns
    lacking = [key for key in keys if key not in columns]
    if lacking:
        raise PublishError(f"the table has no column {lacking[0]!r}, which is a merge key", code="MERGE_KEY_MISSING")
    count = exp.alias_(exp.Count(this=exp.Star()), "total")
    query = (
        exp.select(exp.column(SOURCE_FILE), count).from_(_table(_ALL)).where(_known(keys, _ALL)).group_by(SOURCE_FILE)
    )
    return {row[SOURCE_FILE]: row["total"] for row in engine.rows(query)}


def without_keys(
    engine: Engine, file: str, target: str, *, keys: Sequence[str], types: Mapping[str, str], drop: Sequence[str]
) -> int:
    """Write the rows of ``file`` whose keys are not among the staged ones into ``target``; returns their number."""
    columns = engine.open_parquet([file], _OLD, types=types).columns
    stays = exp.Not(this=_known(keys, _OLD))
    return engine.write_file(_select(columns, drop).from_(_table(_OLD)).where(stays), target)


def _known(keys: Sequence[str], view: str) -> exp.Exists:
    """Whether a row's keys are among the staged ones; null equals null."""
    same = [
        exp.NullSafeEQ(
            this=exp.column(key, table=view, quoted=True), expression=exp.column(key, table=_NEW, quoted=True)
        )
        for key in keys
    ]
    one = exp.select(exp.Literal.number(1)).from_(_table(_NEW)).where(exp.and_(*same, copy=False))
    return exp.Exists(this=one)


def _select(columns: Mapping[str, str], drop: Sequence[str]) -> exp.Select:
    left_out = {SOURCE_FILE, SOURCE_ROW, *drop}
    return exp.select(*(exp.column(name, quoted=True) for name in columns if name not in left_out))


def _table(name: str) -> exp.Table:
    return exp.to_table(name, quoted=True)


def _moment(value: datetime) -> exp.Cast:
    return exp.cast(exp.Literal.string(value.isoformat()), "timestamptz")
