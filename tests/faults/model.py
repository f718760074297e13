# SPDX-License-Identifier: Apache-2.0
"""What a table must hold, in plain Python: deliveries, and what a run that nobody disturbs makes of them. None of our code is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

FIRST = datetime.fromisoformat("2024-01-01")
MOST_BAD = 0.6
TOO_MUCH = 99

# A row of the table, with the number of the date whose run wrote it: where runs own what they wrote, that decides who replaces it.
Owned = tuple[int, "Row"]
Table = tuple[Owned, ...]


@dataclass(frozen=True)
class World:
    """What may be so.

    Attributes:
        table: The table.
        came: What each date published last, where that was not staged anew since: a try after it has nothing left to do.
    """

    table: Table = ()
    came: frozenset[Work] = frozenset()

    def staged(self, day: int) -> World:
        """Return the same once the date's run has staged its rows."""
        return replace(self, came=frozenset(work for work in self.came if work.day != day))


@dataclass(frozen=True, order=True)
class Row:
    """A row; ``w`` is a column that came later."""

    id: int
    at: datetime
    v: int | None
    p: int
    w: int | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of pipeline.

    Attributes:
        format: ``parquet`` or ``delta``.
        slice: ``full``, ``window``, ``partitions`` or ``run``.
        merge: Whether rows are replaced by key.
        lookback: Days before its own that a window goes back.
        partitioned: Whether the table is partitioned by ``p``; one of slice ``partitions`` is by ``day``.
        csv: Whether the deliveries are CSV files.
    """

    format: str
    slice: str
    merge: bool = False
    lookback: int = 0
    partitioned: bool = False
    csv: bool = False

    def __str__(self) -> str:
        words = [self.format, self.slice, "merge" * self.merge, f"back{self.lookback}" * bool(self.lookback)]
        return "-".join(word for word in [*words, "by_p" * self.partitioned, "csv" * self.csv] if word)

    @property
    def by_date(self) -> bool:
        """Whether a run reads its own date's delivery only."""
        return self.slice in ("partitions", "run")


@dataclass(frozen=True)
class Work:
    """What a run does that nobody disturbs.

    Attributes:
        day: Number of its date.
        missing: True where it finds no source: nothing happens then.
        read: Number of rows that are its own.
        bad: Rows that the gate puts aside.
        dropped: Number of rows that cleaning drops.
        repeated: Number of rows that leave since another one has their key.
        rows: Rows for the table.
        refused: Those of them that fail the second gate.
    """

    day: int
    missing: bool = False
    read: int = 0
    bad: tuple[Row, ...] = ()
    dropped: int = 0
    repeated: int = 0
    rows: tuple[Row, ...] = ()
    refused: tuple[Row, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether the first gate lets nothing pass."""
        return bool(self.bad) and len(self.bad) > MOST_BAD * self.read

    @property
    def publishes(self) -> bool:
        """Whether the table changes hands."""
        return not (self.missing or self.stopped or self.refused)

    def aside(self, before: dict[str, tuple[Row, ...]]) -> dict[str, tuple[Row, ...]]:
        """Return step -> bad rows of this run that are kept in the end, from those that are kept now."""
        if self.missing:
            return before
        if self.stopped:
            return {**before, "gate": self.bad}
        if self.refused:
            return {**before, "silver": self.refused}
        return {"gate": self.bad} if self.bad else {}


@dataclass
class Bronze:
    """The deliveries: number of the date -> its rows; those of a date may lie in the day before."""

    kind: Kind
    files: dict[int, tuple[Row, ...]] = field(default_factory=dict)

    def work(self, day: int) -> Work:
        """Return what an undisturbed run of a date does now."""
        if (self.kind.by_date and day not in self.files) or not self.files:
            return Work(day, missing=True)
        own = self._own(day)
        good = [row for row in own if row.v is not None]
        kept = [row for row in good if row.v is not None and row.v >= 0]
        last: dict[int, Row] = {}
        for row in sorted(kept, key=lambda row: (row.at, row.v)):
            last[row.id] = row
        rows = tuple(last.values())
        return Work(
            day,
            read=len(own),
            bad=tuple(row for row in own if row.v is None),
            dropped=len(good) - len(kept),
            repeated=len(kept) - len(rows),
            rows=rows,
            refused=tuple(row for row in rows if row.v is not None and row.v >= TOO_MUCH),
        )

    def _own(self, day: int) -> list[Row]:
        if self.kind.by_date:
            return list(self.files[day])
        rows = [row for delivered in self.files.values() for row in delivered]
        if self.kind.slice == "full":
            return rows
        return [row for row in rows if _within(self.kind, day, row)]


def publish(kind: Kind, world: World, work: Work) -> World:
    """Return what is so after a run."""
    if not work.publishes:
        return world
    return World(_table_after(kind, world.table, work), world.staged(work.day).came | {work})


def _table_after(kind: Kind, table: Table, work: Work) -> Table:
    new = [(work.day, row) for row in work.rows]
    ids = {row.id for row in work.rows}
    if kind.merge:
        kept = [(owner, row) for owner, row in table if row.id not in ids]
    elif kind.slice == "full":
        kept = []
    elif kind.slice == "window":
        kept = [(owner, row) for owner, row in table if not _within(kind, work.day, row)]
    else:
        kept = [(owner, row) for owner, row in table if owner != work.day]
    return ordered([*kept, *new])


def ordered(rows: Iterable[Owned]) -> Table:
    """Return a table in a form in which equal ones are equal."""
    return tuple(sorted(rows, key=repr))


def visible(table: Table) -> tuple[Row, ...]:
    """Return what a reader sees."""
    return tuple(sorted((row for _, row in table), key=repr))


def _within(kind: Kind, day: int, row: Row) -> bool:
    start = FIRST + timedelta(days=day)
    return start - timedelta(days=kind.lookback) <= row.at < start + timedelta(days=1)
