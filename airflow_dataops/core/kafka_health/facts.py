# SPDX-License-Identifier: Apache-2.0
"""From what was read of a partition to what is the case. Nothing is guessed: what is not known stays None, and is never 0."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, PartitionView, ReadError
from airflow_dataops.core.kafka_health.spec import CheckParts
from airflow_dataops.core.kafka_health.window import Key, Window

NO_ANSWER = ReadError(code="NO_ANSWER", message="the broker gave no offset, and no error")


@dataclass(frozen=True)
class PartitionFacts:
    """What is the case with one partition.

    Attributes:
        topic: Its topic.
        partition: Its number.
        committed: Committed offset; None where there is none, or it is not known.
        no_commit: True where the group has never committed: a state of its own, and not a lag.
        start: Offset of the first record that is kept.
        end: Offset behind the last record that the group's consumers may read.
        first: Offset from which on something can be read: ``committed``, or a later one where nothing readable lies between.
        lag: ``end - committed`` as Kafka's own tools reckon it, never negative.
        waiting: Records that really wait, at most: 0 where all of the lag is markers and the like (phantom lag). This is what is judged.
        lost: Records that were deleted before they were read.
        replaced: True where the commit cannot be one of this log: it was read before the end, and lies behind it.
        other_epoch: True where its leader epoch is newer than the leader's.
        held_back: Records behind ``end`` that an open transaction holds back.
        assigned: Whether a member reads it; None where the members are not known.
        age_ms: Age of the first record that waits, by its timestamp.
        newest_ms: Age of the newest record.
        younger: Age in milliseconds -> offset of the first record at most so old, -1 for none; known ones only.
        unknown: Why ``lag`` is not known although there may be a commit.
    """

    topic: str
    partition: int
    committed: int | None = None
    no_commit: bool = False
    start: int | None = None
    end: int | None = None
    first: int | None = None
    lag: int | None = None
    waiting: int | None = None
    lost: int | None = None
    replaced: bool = False
    other_epoch: bool = False
    held_back: int | None = None
    assigned: bool | None = None
    age_ms: int | None = None
    newest_ms: int | None = None
    younger: tuple[tuple[int, int], ...] = ()
    unknown: ReadError | None = None

    @property
    def key(self) -> Key:
        """Topic and number."""
        return self.topic, self.partition

    @property
    def where(self) -> str:
        """Topic and number as Kafka's tools write them."""
        return f"{self.topic}-{self.partition}"

    @property
    def phantom(self) -> bool:
        """True where there is a lag, and nothing of it can be read."""
        return self.waiting == 0 and bool(self.lag)


def facts_in(check: CheckParts, snapshot: GroupSnapshot, window: Window) -> tuple[PartitionFacts, ...]:
    """Return what is the case with each partition that is looked at, in the order of topics and numbers.

    Args:
        check: For the topics, and the isolation of the group's consumers.
        snapshot: What was read.
        window: What earlier looks saw of commits behind which nothing can be read at once.
    """
    taken: set[Key] | None = None
    if snapshot.members is not None:
        owned = (member.assigned.items() for member in snapshot.members)
        taken = {(topic, number) for one in owned for topic, numbers in one for number in numbers}
    views = sorted(snapshot.partitions, key=lambda view: (view.topic, view.partition))
    return tuple(
        _facts(check, snapshot, view, taken, window.first_behind(view.topic, view.partition, view.committed))
        for view in views
        if check.covers(view.topic)
    )


def _facts(
    check: CheckParts, snapshot: GroupSnapshot, view: PartitionView, taken: set[Key] | None, first: int | None
) -> PartitionFacts:
    end = _known(view.last_stable if check.isolation == "read_committed" else view.high_watermark)
    start, high = _known(view.log_start), _known(view.high_watermark)
    seen = PartitionFacts(
        topic=view.topic,
        partition=view.partition,
        start=start,
        end=end,
        held_back=None if end is None or high is None else max(0, high - end),
        assigned=None if taken is None else (view.topic, view.partition) in taken,
    )
    if view.error is not None or view.committed is None:
        return _with(seen, unknown=view.error or NO_ANSWER)
    if view.committed < 0:
        return _with(seen, no_commit=True, unknown=None if end is not None else NO_ANSWER)
    seen = _with(seen, committed=view.committed, other_epoch=_is_newer(view.committed_epoch, view.leader_epoch))
    seen = _with(seen, replaced=high is not None and view.committed > high)
    seen = _with(seen, lost=None if start is None else max(0, start - view.committed))
    if end is None:
        return _with(seen, unknown=NO_ANSWER)
    first = _first(view, view.committed, end, first)
    waiting = max(0, end - first)
    return _with(
        seen,
        first=first,
        lag=max(0, end - view.committed),
        waiting=waiting,
        age_ms=_age(snapshot, view.next_at_ms) if waiting else None,
        newest_ms=_age(snapshot, view.end_at_ms),
        younger=tuple(sorted((age, offset) for age, offset in view.younger.items() if offset >= -1)),
    )


def _known(offset: int | None) -> int | None:
    return None if offset is None or offset < 0 else offset


def _is_newer(epoch: int | None, leader: int | None) -> bool:
    epoch, leader = _known(epoch), _known(leader)
    return epoch is not None and leader is not None and epoch > leader


def _first(view: PartitionView, committed: int, end: int, before: int | None) -> int:
    if view.next_offset is not None and view.next_offset >= -1:
        return end if view.next_offset == -1 else max(committed, view.next_offset)
    return max(committed, before or 0)


def _age(snapshot: GroupSnapshot, at_ms: int | None) -> int | None:
    return None if at_ms is None or at_ms < 0 else max(0, snapshot.taken_at_ms - at_ms)


def _with(facts: PartitionFacts, **changes: object) -> PartitionFacts:
    return PartitionFacts(**{**facts.__dict__, **changes})
