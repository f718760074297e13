# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a group from look to look: the last commits and ends of each partition, in rings of a fixed length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from airflow_dataops.core.kafka_health.burrow import Sample
from airflow_dataops.core.kafka_health.codes import Severity

Key = tuple[str, int]
ItemT = TypeVar("ItemT")


class Seen(Protocol):
    """What a look saw of a partition: :class:`~airflow_dataops.core.kafka_health.facts.PartitionFacts`."""

    @property
    def key(self) -> Key:
        """Topic and number."""
        ...

    @property
    def committed(self) -> int | None:
        """Committed offset; None where there is none, or it is not known."""
        ...

    @property
    def no_commit(self) -> bool:
        """True where the group has no commit."""
        ...

    @property
    def end(self) -> int | None:
        """Offset behind the last readable record."""
        ...

    @property
    def first(self) -> int | None:
        """Offset from which on something can be read."""
        ...

    @property
    def waiting(self) -> int | None:
        """Records that wait."""
        ...


@dataclass(frozen=True)
class PartitionWindow:
    """The last looks at one partition.

    Attributes:
        samples: Commits, oldest first; see :func:`observe` for which are kept.
        ends: ``(when in milliseconds, end offset)`` of the looks, oldest first.
        first: A commit, and the offset from which on something can be read behind it; None where that is the commit itself.
        absent: Looks since the partition was last seen.
    """

    samples: tuple[Sample, ...] = ()
    ends: tuple[tuple[int, int], ...] = ()
    first: tuple[int, int] | None = None
    absent: int = 0


EMPTY = PartitionWindow()


@dataclass(frozen=True)
class Window:
    """The last looks at a group. Partitions may come and go: one that was not seen for as many looks as are kept is forgotten.

    Attributes:
        looks: When the looks were, in milliseconds, oldest first.
        unsettled: At which of them the group was in a rebalance.
        topic_ids: Topic -> its UUID, where the broker tells it.
        partitions: Topic and number -> what was seen.
        severity: What the last look came to; None where there was none.
    """

    looks: tuple[int, ...] = ()
    unsettled: tuple[bool, ...] = ()
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    partitions: Mapping[Key, PartitionWindow] = field(default_factory=dict)
    severity: Severity | None = None

    def of(self, key: Key) -> PartitionWindow:
        """Return what was seen of a partition; an empty one where nothing was."""
        return self.partitions.get(key, EMPTY)

    def first_behind(self, topic: str, partition: int, committed: int | None) -> int | None:
        """Return from which offset on something can be read behind a commit, where an earlier look saw that; else None."""
        first = self.of((topic, partition)).first
        return first[1] if first is not None and first[0] == committed else None

    @property
    def topics(self) -> frozenset[str]:
        """Topics that the group had commits in."""
        return frozenset(topic for (topic, _), one in self.partitions.items() if one.samples)


@dataclass(frozen=True)
class Look:
    """One look, as a window takes it in.

    Attributes:
        at_ms: When.
        facts: What was seen of each partition.
        unsettled: Whether the group was in a rebalance.
        gone: Whether it had no members, so that nobody can have committed.
        topic_ids: Topic -> UUID, of those that are known.
    """

    at_ms: int
    facts: Iterable[Seen]
    unsettled: bool = False
    gone: bool = False
    topic_ids: Mapping[str, str] = field(default_factory=dict)


def observe(window: Window, look: Look, *, size: int, min_distance_ms: int) -> Window:
    """Return the window with one look more.

    As in Burrow's storage, a look that is not newer than the last one is dropped, and one that is nearer than ``min_distance_ms`` takes
    its place and keeps its time. A commit that is equal to the last one is kept as another one while the group has members (a consumer may
    well commit the same offset again, and that it does not move is the finding); without members nobody can have made it, and it is
    dropped, so that the time since the last commit grows. A partition whose log was made anew (another topic id, or an end before the last
    one), or whose commits are gone, begins again; offsets that were reset are what REWIND looks for, and stay.

    Args:
        window: What is remembered.
        look: What is seen.
        size: Looks that are kept.
        min_distance_ms: Looks nearer to each other are one.
    """
    last = window.looks[-1] if window.looks else None
    if last is not None and look.at_ms <= last:
        return window
    near = last is not None and look.at_ms - last < min_distance_ms
    looks = window.looks if near else (*window.looks, look.at_ms)
    flags = (
        (*window.unsettled[:-1], window.unsettled[-1] or look.unsettled)
        if near
        else (*window.unsettled, look.unsettled)
    )
    anew = {name for name, uid in look.topic_ids.items() if window.topic_ids.get(name, uid) != uid}
    found = {one.key: _seen(window.of(one.key), one, look, anew, size, min_distance_ms) for one in look.facts}
    absent = {
        key: replace(one, absent=one.absent + (not near)) for key, one in window.partitions.items() if key not in found
    }
    kept = {key: one for key, one in absent.items() if one.absent < size}
    topics = {topic for topic, _ in (*found, *kept)}
    ids = {name: uid for name, uid in {**window.topic_ids, **look.topic_ids}.items() if name in topics}
    return Window(_last(looks, size), _last(flags, size), ids, {**kept, **found}, window.severity)


def _seen(before: PartitionWindow, seen: Seen, look: Look, anew: set[str], size: int, distance: int) -> PartitionWindow:
    if seen.key[0] in anew or (before.ends and seen.end is not None and seen.end < before.ends[-1][1]):
        before = EMPTY
    ends = before.ends
    if seen.end is not None and (not ends or look.at_ms - ends[-1][0] >= distance):
        ends = _last((*ends, (look.at_ms, seen.end)), size)
    samples = before.samples
    if seen.no_commit:
        samples = ()
    elif seen.committed is not None:
        sample = Sample(seen.committed, look.at_ms, seen.waiting)
        samples = _last(_committed(samples, sample, look.gone, distance), size)
    first = before.first
    if seen.committed is not None and seen.first is not None:
        first = (seen.committed, seen.first) if seen.first > seen.committed else None
    return PartitionWindow(samples, ends, first)


def _committed(samples: tuple[Sample, ...], sample: Sample, gone: bool, distance: int) -> tuple[Sample, ...]:
    if not samples:
        return (sample,)
    last = samples[-1]
    # One commit alone has no length of time, and so no trend: a second look at it is kept.
    if gone and len(samples) > 1 and sample.offset == last.offset:
        return samples
    if sample.timestamp_ms - last.timestamp_ms < distance:
        return (*samples[:-1], sample._replace(timestamp_ms=last.timestamp_ms))
    return (*samples, sample)


def _last(items: Sequence[ItemT], size: int) -> tuple[ItemT, ...]:
    return tuple(items[-size:])
