# SPDX-License-Identifier: Apache-2.0
"""One row a key: which rows lose, as two queries, or as a rank beside each row.

The first finds the keys that occur more than once, the second ranks only their rows. A table with few duplicates is so never sorted
as a whole, and the rows that are written stream past a short list of places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sqlglot import exp

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.refine.cells import check_known
from airflow_dataops.core.refine.names import GOOD, PLACE, RANK, REPEATED, column, count_all, equal, named, table
from airflow_dataops.core.refine.spec import DedupSpec
from airflow_dataops.core.sql import types
from airflow_dataops.core.sql.casts import is_null
from airflow_dataops.core.sql.dialects import plain_cast

_GROUP, _STARTS = "_dataops_group", "_dataops_starts"
_WITHIN = re.compile(r"\s*(\d{1,9})\s*([a-z]+)\s*")
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 604800),
}


def within_seconds(text: str) -> int:
    """Return the seconds of ``10 minutes``, ``10m``, ``2 hours``, ``1d``.

    Raises:
        SpecError: It is no such duration, or none at all (``BAD_DURATION``).
    """
    found = _WITHIN.fullmatch(text.lower())
    seconds = int(found[1]) * _SECONDS.get(found[2], 0) if found else 0
    if not seconds:
        raise SpecError(
            f"clean.dedup.within: {text!r} is not a duration above zero; units are seconds, minutes, hours, days and weeks",
            hint="write `10 minutes`",
            code="BAD_DURATION",
        )
    return seconds


def check_dedup(dedup: DedupSpec, columns: Mapping[str, str]) -> None:
    """Raise unless the step can be applied.

    Raises:
        SpecError: An unknown column (``UNKNOWN_COLUMN``), a bad duration (``BAD_DURATION``), or ``within`` and ``event_time`` that do
            not go together (``BAD_DEDUP``).
    """
    check_known("clean.dedup.keys", dedup.keys, columns)
    check_known("clean.dedup.order_by", (name.removeprefix("-") for name in dedup.order_by), columns)
    if (dedup.within is None) != (dedup.event_time is None):
        raise SpecError(
            "clean.dedup: `within` and `event_time` go together",
            hint="write within: 10 minutes and event_time: <column>, or neither",
            code="BAD_DEDUP",
        )
    if dedup.within is None or dedup.event_time is None:
        return
    within_seconds(dedup.within)
    check_known("clean.dedup.event_time", [dedup.event_time], columns)
    if not types.is_temporal(columns[dedup.event_time]):
        raise SpecError(
            f"clean.dedup.event_time: column {dedup.event_time!r} is {columns[dedup.event_time]}, not a time",
            hint=f"cast it: clean.cast: {{{dedup.event_time}: timestamp}}",
            code="BAD_DEDUP",
        )


def repeated_query(dedup: DedupSpec) -> exp.Select:
    """Return the keys that occur more than once. Null equals null."""
    keys = [column(name) for name in dict.fromkeys(dedup.keys)]
    more = exp.GT(this=count_all(), expression=exp.Literal.number(1))
    return exp.select(*keys).from_(table(GOOD)).group_by(*(key.copy() for key in keys)).having(more)


def losers_query(dedup: DedupSpec, columns: Mapping[str, str]) -> exp.Select:
    """Return the places of the rows that go, reading the table of repeated keys.

    Args:
        dedup: The step.
        columns: Column -> canonical type of the rows, in order; they break ties.
    """
    keys = list(dict.fromkeys(dedup.keys))
    same = equal(REPEATED, "g", keys, null_equal=True)
    seen = exp.select(exp.Literal.number(1)).from_(table(REPEATED)).where(same)
    wanted = [column(name, "g") for name in (*columns, *PLACE)]
    rows = exp.select(*wanted).from_(table(GOOD).as_("g")).where(exp.Exists(this=seen))
    ranked = _ranked(dedup, columns, rows, PLACE)
    return exp.select(*(column(name) for name in PLACE)).from_(ranked.subquery("ranked")).where(loses())


def ranked_query(dedup: DedupSpec, columns: Mapping[str, str]) -> exp.Select:
    """Return all rows with their rank among those of the same key: for an engine that sorts on many machines, and reads its source once.

    Args:
        dedup: The step.
        columns: Column -> canonical type of the rows, in order; they break ties.
    """
    rows = exp.select(*(column(name, "g") for name in columns)).from_(table(GOOD).as_("g"))
    return _ranked(dedup, columns, rows, columns)


def loses() -> exp.Expression:
    """Return the test that a ranked row goes."""
    return exp.GT(this=column(RANK), expression=exp.Literal.number(1))


def _ranked(dedup: DedupSpec, columns: Mapping[str, str], rows: exp.Select, kept: Iterable[str]) -> exp.Select:
    keys = list(dict.fromkeys(dedup.keys))
    if dedup.within is not None and dedup.event_time is not None:
        rows = _grouped(rows, keys, dedup.event_time, within_seconds(dedup.within), _ties(columns))
        keys = [*keys, _GROUP]
    rank = exp.Window(
        this=exp.RowNumber(),
        partition_by=[column(name) for name in keys],
        order=exp.Order(expressions=_order(dedup, columns)),
    )
    return exp.select(*(column(name) for name in kept), named(rank, RANK)).from_(rows.subquery("same_key"))


def _order(dedup: DedupSpec, columns: Mapping[str, str]) -> list[exp.Expression]:
    """Order so that the row that stays comes first; a null never wins against a value, ties go by all columns."""
    asked = dedup.order_by or ([dedup.event_time] if dedup.event_time else [])
    terms: list[exp.Expression] = []
    for name in asked:
        down = name.startswith("-") != (dedup.keep == "last")
        terms.append(exp.Ordered(this=column(name.removeprefix("-")), desc=down, nulls_first=False))
    return [*terms, *_ties(columns)]


def _ties(columns: Mapping[str, str]) -> list[exp.Expression]:
    """Order by all columns: rows that are the same in all of them may change places."""
    # maps have no order on Spark
    values = [
        plain_cast(column(name), "TEXT") if types.base_name(kind) == "map" else column(name)
        for name, kind in columns.items()
    ]
    return [exp.Ordered(this=value, desc=False, nulls_first=False) for value in values]


def _grouped(
    rows: exp.Select, keys: list[str], event_time: str, seconds: int, ties: list[exp.Expression]
) -> exp.Select:
    """Number the groups of a key: a new one starts where an event comes ``seconds`` or more after the one before it.

    A row without event time is a group of its own, since nobody knows how far it is from the others. Events of the same moment
    must stand in one order in both windows: the first of them may start a group.
    """
    moment = plain_cast(column(event_time), "TIMESTAMPNTZ")
    order = [exp.Ordered(this=column(event_time), desc=False, nulls_first=False), *ties]
    partition = [column(name) for name in keys]
    before = exp.Window(
        this=exp.Anonymous(this="LAG", expressions=[moment.copy()]),
        partition_by=partition,
        order=exp.Order(expressions=order),
    )
    step = exp.Interval(this=exp.Literal.string(str(seconds)), unit=exp.var("SECOND"))
    far = exp.GTE(this=moment.copy(), expression=exp.Add(this=before, expression=step))
    starts = exp.Case(
        ifs=[exp.If(this=exp.Or(this=is_null(moment.copy()), expression=far), true=exp.Literal.number(1))],
        default=exp.Literal.number(0),
    )
    marked = exp.select(exp.Star(), named(starts, _STARTS)).from_(rows.subquery("g"))
    number = exp.Window(
        this=exp.Sum(this=column(_STARTS)),
        partition_by=[key.copy() for key in partition],
        order=exp.Order(expressions=[term.copy() for term in order]),
        spec=exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"),
    )
    return exp.select(exp.Star(), named(number, _GROUP)).from_(marked.subquery("marked"))
