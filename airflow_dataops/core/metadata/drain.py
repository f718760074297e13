# SPDX-License-Identifier: Apache-2.0
"""How far a bounded drain goes: from what is committed to the ends that were seen when it began. Offsets in, decision out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from airflow_dataops.core.errors import InputError, TransientError

PartitionId = tuple[str, int]  # topic, partition


class Finding(StrEnum):
    """What a partition looks like before a drain."""

    EMPTY = "EMPTY"  # it holds no record
    DONE = "DONE"  # all is committed
    WORK = "WORK"
    FIRST = "FIRST"  # nothing was ever committed: from the beginning of the log
    LOST = "LOST"  # what comes after the committed offset is deleted: data that nobody has read
    BEHIND_END = "BEHIND_END"  # committed beyond the end: the topic was made anew, or cut


@dataclass(frozen=True)
class Offsets:
    """What a broker says of a partition.

    Attributes:
        committed: The group's next offset; None where it never committed.
        start: First offset of the log.
        end: Offset behind the last one that a reader of committed records gets (the last stable offset): an open transaction is after it.
    """

    committed: int | None
    start: int
    end: int


@dataclass(frozen=True)
class Bounds:
    """What a drain reads of a partition: offsets from ``begin`` up to, but not including, ``stop``.

    Attributes:
        finding: What was found.
        begin: First offset.
        stop: Offset behind the last.
        lost: How many offsets between the committed one and the log's start are gone; at most that many records.
    """

    finding: Finding
    begin: int
    stop: int
    lost: int = 0

    @property
    def has_work(self) -> bool:
        """True where there are offsets to go over; there may be no record among them."""
        return self.begin < self.stop

    def holds(self, offset: int) -> bool:
        """Tell whether a record belongs to this drain; a fetch brings later ones as well."""
        return self.begin <= offset < self.stop

    def is_over(self, position: int) -> bool:
        """Tell whether the partition is drained.

        Args:
            position: The consumer's position: the offset that it will read next. Never the last record's offset plus one, since markers of
                transactions, aborted records and compacted ones leave gaps at the end that bring no record.
        """
        return position >= self.stop

    def commit(self, position: int) -> int:
        """Return what to commit once all records before ``position`` are stored and archived: never beyond ``stop``, never back."""
        return max(self.begin, min(position, self.stop))


def bounds_of(partition: PartitionId, seen: Offsets) -> Bounds:
    """Return what a drain reads of a partition.

    Args:
        partition: For messages.
        seen: Its offsets; committed ones are asked for before the ends, or a running reader is seen beyond them.

    Raises:
        TransientError: An offset is unknown: a broker that is down answers with negative numbers and no error (``OFFSETS_UNKNOWN``).
    """
    named = {"committed": seen.committed, "log start": seen.start, "end": seen.end}
    unknown = [name for name, value in named.items() if value is not None and value < 0]
    if unknown or seen.end < seen.start:
        shown = ", ".join(f"{name} {value}" for name, value in named.items())
        message = f"the offsets of {partition[0]}/{partition[1]} are not known: {shown}"
        raise TransientError(message, hint="a broker may be down; try again", code="OFFSETS_UNKNOWN")
    start, end, committed = seen.start, seen.end, seen.committed
    if committed is None:
        return Bounds(Finding.FIRST if start < end else Finding.EMPTY, start, end)
    if committed > end:
        return Bounds(Finding.BEHIND_END, end, end)
    if committed < start:
        return Bounds(Finding.LOST, start, end, lost=start - committed)
    if committed < end:
        return Bounds(Finding.WORK, committed, end)
    return Bounds(Finding.EMPTY if start == end else Finding.DONE, end, end)


def plan(seen: Mapping[PartitionId, Offsets]) -> dict[PartitionId, Bounds]:
    """Return what a drain reads, of every partition; raises as :func:`bounds_of`."""
    return {partition: bounds_of(partition, seen[partition]) for partition in sorted(seen)}


def widened(known: Bounds, seen: Offsets) -> Bounds:
    """Return what belongs to a run that is tried again: what did at its first try, and what has come since.

    Where another run has gone on from there (more is committed than this run's last offset), nothing is added: that is the other's. What
    was deleted meanwhile, before any try has committed it, counts as lost; where it was not read the next time either, it counts again.

    Args:
        known: Of the earlier try.
        seen: What the broker says now.
    """
    if seen.committed is not None and seen.committed > known.stop:
        return known
    made = replace(known, stop=max(known.stop, seen.end))
    gone = min(seen.start, made.stop) - max(known.begin, seen.committed or 0)
    return made if gone <= 0 else replace(made, finding=Finding.LOST, lost=known.lost + gone)


def left(known: Bounds, seen: Offsets) -> Bounds:
    """Return what earlier tries of a run have not committed; what is deleted by now is not in it."""
    return replace(known, begin=min(known.stop, max(known.begin, seen.committed or 0, seen.start)))


def check(bounds: Mapping[PartitionId, Bounds], *, accept_loss: bool = False) -> None:
    """Raise where a drain would go over a loss in silence.

    Args:
        bounds: What is to be drained.
        accept_loss: Records that were deleted are no reason. A topic that was made anew is one all the same: nobody knows which of its
            records this group has not read.

    Raises:
        InputError: Records were deleted before they were read (``DATA_LOST``), or more is committed than there is (``TOPIC_REPLACED``).
            ``details["partitions"]`` lists them.
    """
    for finding, code, what, hint in _TROUBLES:
        if accept_loss and finding is Finding.LOST:
            continue
        found = {partition: one for partition, one in bounds.items() if one.finding is finding}
        if found:
            listed = {f"{topic}/{number}": one.lost for (topic, number), one in found.items()}
            lost = sum(listed.values())
            message = f"{what.format(lost=lost)}: {', '.join(listed)}"
            raise InputError(message, hint=hint, code=code, details={"partitions": listed, "lost": lost})


def is_over(bounds: Mapping[PartitionId, Bounds], positions: Mapping[PartitionId, int]) -> bool:
    """Tell whether a drain has come to its end everywhere; a partition without a position has not begun."""
    return not remaining(bounds, positions)


def remaining(bounds: Mapping[PartitionId, Bounds], positions: Mapping[PartitionId, int]) -> dict[PartitionId, int]:
    """Return partition -> offsets that are still ahead, of those that are not drained."""
    left = {partition: one.stop - positions.get(partition, one.begin) for partition, one in bounds.items()}
    return {partition: count for partition, count in left.items() if count > 0}


def prefix(offsets: Iterable[int], acknowledged: Iterable[int], position: int) -> int:
    """Return how far a partition may be committed: up to the first record that is not acknowledged by store and archive.

    Args:
        offsets: Of the records that were read, in order.
        acknowledged: Of those that are done, in any order.
        position: The consumer's position behind them all.
    """
    done = frozenset(acknowledged)
    return next((offset for offset in offsets if offset not in done), position)


_TROUBLES = (
    (
        Finding.LOST, "DATA_LOST", "up to {lost} records were deleted before they were read, in",
        "raise the topic's retention; to go on without them, start the drain with on_data_loss=accept",
    ),
    (
        Finding.BEHIND_END, "TOPIC_REPLACED", "more is committed than there is, in",
        "the topic was made anew: reset the group's offsets, and give the archive another prefix",
    ),
)  # fmt: skip

__all__ = [
    "Bounds",
    "Finding",
    "Offsets",
    "PartitionId",
    "bounds_of",
    "check",
    "is_over",
    "left",
    "plan",
    "prefix",
    "remaining",
    "widened",
]
