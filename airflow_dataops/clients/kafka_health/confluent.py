# SPDX-License-Identifier: Apache-2.0
"""A cluster by librdkafka, which is the way wherever the brokers can be reached. Loaded in a probe's process only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from airflow_dataops.clients.kafka_health.budget import Budget
from airflow_dataops.clients.kafka_health.cluster import (
    Cluster,
    Commit,
    Described,
    End,
    Kind,
    Record,
    Shown,
    Unread,
    Waiting,
    member,
)
from airflow_dataops.clients.kafka_health.consumers import peek, read_commits
from airflow_dataops.clients.kafka_health.ears import Ears, told
from airflow_dataops.core.kafka_health import settings as names
from airflow_dataops.core.kafka_health.asking import COMMITTED, Key
from airflow_dataops.core.kafka_health.causes import NO_ANSWER, Told, cause_of

_TICK = 0.05
_GRACE = 1.0


class ConfluentCluster(Cluster):
    """A cluster, by the admin client and consumers of librdkafka.

    Args:
        settings: Of the connection.
        budget: Of the probe.
        more: Settings that are no text: a callback for tokens.

    Raises:
        Unread: The settings are none.
    """

    def __init__(self, settings: Mapping[str, Any], budget: Budget, more: Mapping[str, Any] | None = None) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        super().__init__(budget)
        self._settings, self._more, self._ears = settings, dict(more or {}), Ears()
        client = {**names.of_client(settings, budget.seconds), **self._more}
        try:
            self._admin = AdminClient({**client, **self._ears.settings()})
        except (KafkaException, TypeError, ValueError) as error:
            raise Unread(Told("PROBE_SETTINGS", told(error).message)) from error

    def shown(self) -> Shown:
        """Return all topics that the account may see; see :class:`Cluster`."""
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
        """Return topic -> its UUID; see :class:`Cluster`."""
        if not topics:
            return {}
        from confluent_kafka import TopicCollection

        asked = self._admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=self._budget.share())
        return {name: self._answer(one, lambda found: str(found.topic_id)) for name, one in asked.items()}

    def commits(self, group: str, keys: Collection[Key]) -> dict[Key, Commit | Told]:
        """Return each partition's commit; see :class:`Cluster`."""
        settings = {**names.of_commits(self._settings, self._budget.seconds, group), **self._more}
        return read_commits(settings, keys, self._budget)

    def peek(self, group: str, isolation: str, waiting: Mapping[Key, Waiting]) -> dict[Key, Record]:
        """Return first records; see :class:`Cluster`."""
        settings = {**names.of_peek(self._settings, self._budget.seconds, group, isolation), **self._more}
        return peek(settings, {key: one.start for key, one in waiting.items()}, self._budget)

    def _described(self, names: Collection[str]) -> dict[str, Described | Told]:
        asked = self._admin.describe_consumer_groups(list(names), request_timeout=self._budget.share())
        return {name: self._answer(one, _description) for name, one in asked.items()}

    def _ends(self, wanted: Mapping[Kind, Mapping[Key, int]], now_ms: int) -> dict[Kind, dict[Key, End | Told]]:
        seconds = self._budget.share()
        asked = {kind: self._ask(kind, keys, now_ms, seconds) for kind, keys in wanted.items()}
        found: dict[Kind, dict[Key, End | Told]] = {}
        for kind, futures in asked.items():
            least = -1 if kind.age_ms is not None else 0
            found[kind] = {key: self._end(one, least) for key, one in futures.items()}
        return found

    def _ask(self, kind: Kind, keys: Iterable[Key], now_ms: int, seconds: float) -> dict[Key, Future[Any]]:
        from confluent_kafka import IsolationLevel, TopicPartition, admin

        OffsetSpec: Any = admin.OffsetSpec  # type: ignore[attr-defined]  # the stubs leave it out
        ends = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest()}
        age = kind.age_ms
        spec = ends[kind.end] if age is None else OffsetSpec.for_timestamp(max(0, now_ms - age))
        level = IsolationLevel.READ_COMMITTED if kind.isolation == COMMITTED else IsolationLevel.READ_UNCOMMITTED
        asked = {TopicPartition(*key): spec for key in keys}
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


def _description(group: Any) -> Described:
    return Described(group.state.name, [_member(one) for one in group.members])


def _member(one: Any) -> dict[str, Any]:
    reads = one.assignment.topic_partitions if one.assignment is not None else ()
    return member(one.member_id, one.client_id, one.host, [(part.topic, part.partition) for part in reads])
