# SPDX-License-Identifier: Apache-2.0
"""A cluster as its admin client shows it: topics, groups' states and the ends of partitions. Loaded in a probe's process only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_dataops.clients.kafka_health.budget import Budget, Patience
from airflow_dataops.clients.kafka_health.ears import Ears, told
from airflow_dataops.core.kafka_health.asking import COMMITTED, Key
from airflow_dataops.core.kafka_health.causes import NO_ANSWER, SOON, Told, cause_of

_TICK = 0.05
_GRACE = 1.0


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

    def partitions(self, topics: Collection[str]) -> list[Key]:
        """Return the partitions of some topics, sorted."""
        wanted = set(topics)
        return sorted(key for key in self.leaders if key[0] in wanted)


class Cluster:
    """A cluster, by a client of its own that has never known another state of it.

    Args:
        settings: Of the client.
        ears: Its ears.
        budget: Of the probe.

    Raises:
        Unread: The settings are none.
    """

    def __init__(self, settings: Mapping[str, Any], ears: Ears, budget: Budget) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        self._ears, self._budget = ears, budget
        try:
            self._admin = AdminClient({**settings, **ears.settings()})
        except (KafkaException, TypeError, ValueError) as error:
            raise Unread(Told("PROBE_SETTINGS", told(error).message)) from error

    def shown(self) -> Shown:
        """Return all topics that the account may see. To be called first: other calls know no leaders before.

        Raises:
            Unread: No broker answers, or none lets the account in.
        """
        asked: Future[Any] = Future()
        seconds = self._budget.share()
        # In a thread, since it waits to the end of its time while what it waits for has long been refused.
        threading.Thread(target=_into, args=(asked, self._admin.list_topics, seconds), daemon=True).start()
        end = Budget(seconds + _GRACE)
        while not asked.done() and end.left():
            self._admin.poll(_TICK)
            end = self._ears.cut(end)
        if not asked.done():
            raise Unread(cause_of(Told("_TIMED_OUT", "no broker answers"), self._ears.heard))
        try:
            found = asked.result()
        except Exception as error:
            raise Unread(self._ears.cause(error)) from error
        return Shown(
            {
                (name, number): one.leader
                for name, topic in found.topics.items()
                for number, one in topic.partitions.items()
            }
        )

    def topic_ids(self, topics: Collection[str]) -> dict[str, str | Told]:
        """Return topic -> its UUID, or why nothing is known of it."""
        if not topics:
            return {}
        from confluent_kafka import TopicCollection

        asked = self._admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=self._budget.share())
        return {name: self._answer(one, lambda found: str(found.topic_id)) for name, one in asked.items()}

    def groups(self, names: Collection[str]) -> dict[str, Any]:
        """Return group -> its description, or why there is none; it is asked again while a coordinator takes over."""
        patience = Patience(self._budget)
        found: dict[str, Any] = {}
        open_ = sorted(set(names))
        while open_:
            asked = self._admin.describe_consumer_groups(open_, request_timeout=self._budget.share())
            found |= {name: self._answer(one, lambda group: group) for name, one in asked.items()}
            open_ = [name for name in open_ if isinstance(found[name], Told) and found[name].code in SOON]
            if not open_ or not patience.pause():
                break
        return found

    def offsets(
        self, wanted: Mapping[Kind, Iterable[Key]], shown: Shown, now_ms: int
    ) -> dict[Kind, dict[Key, End | Told]]:
        """Return each kind of offset of each partition, or why it is not known: one request of each kind to each leader.

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
            for kind, answers in self._round(open_, shown, now_ms).items():
                found[kind] |= answers
            open_ = {kind: [key for key in keys if _soon(found[kind][key])] for kind, keys in open_.items()}
            if not any(open_.values()) or not patience.pause():
                return found
            try:
                shown = self.shown()
            except Unread:
                return found

    def _round(self, wanted: Mapping[Kind, list[Key]], shown: Shown, now_ms: int) -> dict[Kind, dict[Key, End | Told]]:
        seconds = self._budget.share()
        asked = {kind: self._ask(kind, keys, shown, now_ms, seconds) for kind, keys in wanted.items()}
        found: dict[Kind, dict[Key, End | Told]] = {}
        for kind, futures in asked.items():
            least = -1 if kind.age_ms is not None else 0
            found[kind] = {key: self._end(one, least) for key, one in futures.items()}
            led = Told("LEADER_NOT_AVAILABLE", "the partition has no leader")
            found[kind] |= dict.fromkeys((key for key in wanted[kind] if key not in futures), led)
        return found

    def _ask(
        self, kind: Kind, keys: Iterable[Key], shown: Shown, now_ms: int, seconds: float
    ) -> dict[Key, Future[Any]]:
        from confluent_kafka import IsolationLevel, TopicPartition, admin

        OffsetSpec: Any = admin.OffsetSpec  # type: ignore[attr-defined]  # the stubs leave it out
        ends = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest()}
        age = kind.age_ms
        spec = ends[kind.end] if age is None else OffsetSpec.for_timestamp(max(0, now_ms - age))
        level = IsolationLevel.READ_COMMITTED if kind.isolation == COMMITTED else IsolationLevel.READ_UNCOMMITTED
        asked = {TopicPartition(*key): spec for key in keys if shown.leaders.get(key, -1) >= 0}
        if not asked:
            return {}
        futures = self._admin.list_offsets(asked, isolation_level=level, request_timeout=seconds)
        return {(one.topic, one.partition): future for one, future in futures.items()}

    def _end(self, future: Future[Any], least: int) -> End | Told:
        found: End | Told = self._answer(future, lambda info: End(info.offset, info.leader_epoch))
        if isinstance(found, End) and found.offset < least:
            # A leader that is gone or hangs: librdkafka calls it a success.
            return Told(NO_ANSWER, f"the partition's leader gave no answer (offset {found.offset})")
        return found

    def _answer(self, future: Future[Any], read: Callable[[Any], Any]) -> Any:
        """Return what a future holds, or why it holds nothing: what goes wrong with one does not take the others along."""
        try:
            return read(future.result(timeout=self._budget.left() + _GRACE))
        except Exception as error:  # noqa: BLE001 - also what a client of another version makes of an answer
            self._admin.poll(0)
            return self._ears.cause(error)


def _into(future: Future[Any], call: Callable[..., Any], seconds: float) -> None:
    try:
        future.set_result(call(timeout=seconds))
    except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
        future.set_exception(error)


def _soon(answer: End | Told) -> bool:
    return isinstance(answer, Told) and answer.code in SOON
