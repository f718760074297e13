# SPDX-License-Identifier: Apache-2.0
"""A cluster as a probe reads it: topics, groups' states, commits and the ends of partitions; by whichever client there is a way with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_dataops.clients.kafka_health.budget import Budget, Patience
from airflow_dataops.core.kafka_health.asking import COMMITTED, Key
from airflow_dataops.core.kafka_health.causes import SOON, Told

_NO_LEADER = Told("LEADER_NOT_AVAILABLE", "the partition has no leader")


class Unread(Exception):
    """Nothing could be read; ``args[0]`` is why."""

    @property
    def why(self) -> Told:
        """What was told."""
        return Told(*self.args[0])


class Kind(NamedTuple):
    """Which offset is asked for.

    Attributes:
        isolation: Of the reader.
        age_ms: Of the first record that is younger; None for an end of the log.
        end: ``earliest`` or ``latest``; empty for an age.
    """

    isolation: str = COMMITTED
    age_ms: int | None = None
    end: str = ""


class End(NamedTuple):
    """An offset, with the leader's epoch."""

    offset: int
    epoch: int | None


class Commit(NamedTuple):
    """A committed offset, -1 for none, with the epoch of its leader then."""

    offset: int
    epoch: int | None = None


class Record(NamedTuple):
    """Where a record lies and its timestamp; offset -1 where there is none up to the end."""

    offset: int
    at_ms: int | None = None


class Waiting(NamedTuple):
    """Records of a partition that wait: from an offset on, up to before another."""

    start: int
    end: int


class Described(NamedTuple):
    """What the coordinator says of a group.

    Attributes:
        state: In the client's word.
        members: Documents of ``MemberView``.
    """

    state: str
    members: list[dict[str, Any]]


@dataclass
class Shown:
    """What a cluster shows of its topics.

    Attributes:
        leaders: Partition -> its leader; a negative number for none.
    """

    leaders: dict[Key, int] = field(default_factory=dict)

    @property
    def topics(self) -> set[str]:
        """Their names."""
        return {topic for topic, _ in self.leaders}

    def led(self, keys: Iterable[Key]) -> dict[Key, int]:
        """Return those of some partitions that have a leader, with it."""
        return {key: leader for key in keys if (leader := self.leaders.get(key, -1)) >= 0}

    def partitions(self, topics: Collection[str]) -> list[Key]:
        """Return the partitions of some topics, sorted."""
        wanted = set(topics)
        return sorted(key for key in self.leaders if key[0] in wanted)


class Cluster(ABC):
    """A cluster, by a client of its own that has never known another state of it.

    How often and for how long something is asked again is decided here, for every client.

    Args:
        budget: Of the probe.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    @abstractmethod
    def shown(self) -> Shown:
        """Return all topics that the account may see. To be called first: other calls know no leaders before.

        Raises:
            Unread: No broker answers, or none lets the account in.
        """

    @abstractmethod
    def topic_ids(self, topics: Collection[str]) -> dict[str, str | Told]:
        """Return topic -> its UUID, or why nothing is known of it."""

    @abstractmethod
    def commits(self, group: str, keys: Collection[Key]) -> dict[Key, Commit | Told]:
        """Return each partition's commit, or why it is not known. May be called from several threads.

        Raises:
            Unread: The coordinator told nothing.
        """

    @abstractmethod
    def peek(self, group: str, isolation: str, waiting: Mapping[Key, Waiting]) -> dict[Key, Record]:
        """Return the first record of partitions that can be read, of those that wait. What cannot be read is left out.

        May be called from several threads.

        Args:
            group: In whose name.
            isolation: What it may read.
            waiting: Partition -> where to look.
        """

    @abstractmethod
    def _described(self, names: Collection[str]) -> dict[str, Described | Told]:
        """Return group -> its description, or why there is none, asked once."""

    @abstractmethod
    def _ends(self, wanted: Mapping[Kind, Mapping[Key, int]], now_ms: int) -> dict[Kind, dict[Key, End | Told]]:
        """Return each kind of offset of each partition, asked once: one request of each kind to each leader.

        Args:
            wanted: Kind -> partition -> its leader.
            now_ms: The time, for ages.
        """

    def groups(self, names: Collection[str]) -> dict[str, Described | Told]:
        """Return group -> its description, or why there is none; it is asked again while a coordinator takes over."""
        patience = Patience(self._budget)
        found: dict[str, Described | Told] = {}
        open_ = sorted(set(names))
        while open_:
            found |= self._described(open_)
            open_ = [name for name in open_ if soon(found[name])]
            if not open_ or not patience.pause():
                break
        return found

    def offsets(
        self, wanted: Mapping[Kind, Iterable[Key]], shown: Shown, now_ms: int
    ) -> dict[Kind, dict[Key, End | Told]]:
        """Return each kind of offset of each partition, or why it is not known.

        Those whose leader has just changed are asked for again, while it makes sense to wait.

        Args:
            wanted: Kind -> partitions.
            shown: Leaders, as they were when the topics were listed.
            now_ms: The time, for ages.
        """
        found: dict[Kind, dict[Key, End | Told]] = {kind: {} for kind in wanted}
        open_ = {kind: sorted(keys) for kind, keys in wanted.items()}
        patience = Patience(self._budget)
        while True:
            answers = self._ends({kind: shown.led(keys) for kind, keys in open_.items()}, now_ms)
            for kind, keys in open_.items():
                found[kind] |= dict.fromkeys(keys, _NO_LEADER) | answers.get(kind, {})
            open_ = {kind: [key for key in keys if soon(found[kind][key])] for kind, keys in open_.items()}
            if not any(open_.values()) or not patience.pause():
                return found
            try:
                shown = self.shown()
            except Unread:
                return found


def member(member_id: str, client_id: str | None, host: str | None, reads: Iterable[Key]) -> dict[str, Any]:
    """Return the document of a ``MemberView``."""
    assigned: dict[str, list[int]] = {}
    for topic, number in reads:
        assigned.setdefault(topic, []).append(number)
    return {
        "member_id": member_id,
        "client_id": client_id or "",
        "host": host or "",
        "assigned": {topic: sorted(numbers) for topic, numbers in sorted(assigned.items())},
    }


def soon(answer: object) -> bool:
    """Tell whether an answer says that a broker is about to take over."""
    return isinstance(answer, Told) and answer.code in SOON
