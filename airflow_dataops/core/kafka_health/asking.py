# SPDX-License-Identifier: Apache-2.0
"""What a probe is asked about a group, and which of its partitions are worth a closer look.

Standard library only: the probe's process loads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.core.kafka_health.spec import CheckParts

Key = tuple[str, int]
COMMITTED = "read_committed"
_WILD = frozenset("*?")


@dataclass(frozen=True)
class GroupAsk:
    """What to read of a group.

    Attributes:
        group: The group.
        topics: Names, or patterns with ``*`` and ``?``; empty for all topics that the group has a commit for, or a member reads.
        exclude_topics: Names and patterns of those that are left out.
        ages_ms: Ages of which each partition's first younger record is asked for; see ``PartitionView.younger``.
        peek: Partitions of which the first waiting record is read.
        isolation: ``read_committed`` or ``read_uncommitted``: what the group's consumers may read.
        allowed_lag: Of more records than that a waiting one is read.
        seen: Partitions that an earlier look has read a waiting record of; they come last.
    """

    group: str
    topics: tuple[str, ...] = ()
    exclude_topics: tuple[str, ...] = ()
    ages_ms: tuple[int, ...] = ()
    peek: int = 0
    isolation: str = COMMITTED
    allowed_lag: int = 0
    seen: tuple[Key, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """Topics that are named in full."""
        return tuple(topic for topic in self.topics if not _WILD.intersection(topic))

    def covers(self, topic: str) -> bool:
        """Tell whether a topic is asked for."""
        return covered(topic, self.topics, self.exclude_topics)

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def covered(topic: str, topics: Collection[str], exclude_topics: Iterable[str]) -> bool:
    """Tell whether a topic is asked for, by names and patterns; where there are none, all that are not left out are."""
    if any(fnmatchcase(topic, pattern) for pattern in exclude_topics):
        return False
    return not topics or any(fnmatchcase(topic, pattern) for pattern in topics)


def ask_of(check: CheckParts, seen: Iterable[Key] = ()) -> GroupAsk:
    """Return what a check needs to be read.

    Args:
        check: The check.
        seen: Partitions whose first readable offset is known from an earlier look.
    """
    return GroupAsk(
        group=check.group,
        topics=tuple(check.topics),
        exclude_topics=tuple(check.exclude_topics),
        ages_ms=tuple(check.ages_ms),
        peek=check.peek,
        isolation=check.isolation,
        allowed_lag=check.allowed_lag,
        seen=tuple(sorted(seen)),
    )


def read_ask(document: Mapping[str, Any]) -> GroupAsk:
    """Return what :meth:`GroupAsk.document` was made of."""
    lists: dict[str, Any] = {name: tuple(document.get(name) or ()) for name in ("topics", "exclude_topics", "ages_ms")}
    seen = tuple((str(topic), int(number)) for topic, number in document.get("seen") or ())
    rest = {name: document[name] for name in ("group", "peek", "isolation", "allowed_lag") if name in document}
    return GroupAsk(**rest, **lists, seen=seen)


def topics_of(ask: GroupAsk, shown: Collection[str], used: Iterable[str]) -> list[str]:
    """Return the topics that an answer is about, sorted.

    Args:
        ask: What was asked.
        shown: Topics that the cluster shows.
        used: Topics that the group has commits for, and those that its members read.
    """
    found = {topic for topic in shown if ask.covers(topic)} | set(ask.named) if ask.topics else set(used)
    return sorted(topic for topic in found if ask.covers(topic))


def worst_waiting(ask: GroupAsk, waiting: Mapping[Key, int]) -> list[Key]:
    """Return the partitions of which the first waiting record is read, ``ask.peek`` at most.

    Those that no earlier look saw come first, since a lag may be phantom; then those with the most records.

    Args:
        ask: What was asked.
        waiting: Partition -> records between its commit and its end.
    """
    seen = set(ask.seen)
    found = [key for key, count in waiting.items() if count > ask.allowed_lag]
    found.sort(key=lambda key: (key in seen, -waiting[key], key))
    return found[: ask.peek]


__all__ = ["COMMITTED", "GroupAsk", "Key", "ask_of", "covered", "read_ask", "topics_of", "worst_waiting"]
