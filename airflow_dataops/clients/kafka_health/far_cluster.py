# SPDX-License-Identifier: Apache-2.0
"""A cluster behind a bastion, by kafka-python: librdkafka resolves the brokers' names itself, and takes no way but the network's.

Loaded in a probe's process only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from airflow_dataops.clients.kafka_health import far_messages
from airflow_dataops.clients.kafka_health.budget import Budget, Patience
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
    soon,
)
from airflow_dataops.clients.kafka_health.far_client import FarClient
from airflow_dataops.core.kafka_health.asking import Key
from airflow_dataops.core.kafka_health.causes import NO_ANSWER, UNSTABLE, Told, cause_of

_TICK_MS = 200
_AT_ONCE = 1000
_UNKNOWN_GROUP = "GROUP_ID_NOT_FOUND"
# A broker before 4.0, or one that has groups of the newer protocol turned off.
_NO_NEW_GROUPS = frozenset({_UNKNOWN_GROUP, "UNSUPPORTED_VERSION", "_UNSUPPORTED_FEATURE"})


class FarCluster(Cluster):
    """A cluster that a bastion reaches.

    Args:
        client: Asks the brokers.
        budget: Of the probe.
    """

    def __init__(self, client: FarClient, budget: Budget) -> None:
        super().__init__(budget)
        self._client = client

    def shown(self) -> Shown:
        """Return all topics that the account may see; see :class:`Cluster`."""
        found = self._client.metadata(None, self._budget.share())
        if isinstance(found, Told):
            raise Unread(cause_of(found, self._client.heard))
        return Shown(far_messages.leaders(found))

    def topic_ids(self, topics: Collection[str]) -> dict[str, str | Told]:
        """Return topic -> its UUID; see :class:`Cluster`."""
        if not topics:
            return {}
        found = self._client.metadata(sorted(topics), self._budget.share())
        if isinstance(found, Told):
            return dict.fromkeys(topics, self._cause(found))
        return {**dict.fromkeys(topics, Told(NO_ANSWER)), **far_messages.topic_ids(found)}

    def commits(self, group: str, keys: Collection[Key]) -> dict[Key, Commit | Told]:
        """Return each partition's commit; see :class:`Cluster`."""
        if not keys:
            return {}
        patience = Patience(self._budget)
        while True:
            found = self._commits(group, keys)
            if not isinstance(found, Told):
                return {**dict.fromkeys(keys, Told(NO_ANSWER)), **found}
            if not soon(found) or not patience.pause():
                raise Unread(self._cause(found))

    def _commits(self, group: str, keys: Collection[Key]) -> dict[Key, Commit | Told] | Told:
        found = self._fetched(group, keys, stable=True)
        if isinstance(found, Told):
            return found
        held = [key for key, one in found.items() if isinstance(one, Told) and one.code == UNSTABLE]
        again = self._fetched(group, held, stable=False) if held else {}
        return again if isinstance(again, Told) else {**found, **again}

    def _fetched(self, group: str, keys: Collection[Key], *, stable: bool) -> dict[Key, Commit | Told] | Told:
        coordinator = self._coordinators([group])[group]
        if isinstance(coordinator, Told):
            return coordinator
        request = far_messages.offset_fetch(group, keys, self._client.version_of, stable=stable)
        answer = self._ask({group: (coordinator, request)})[group]
        return answer if isinstance(answer, Told) else far_messages.commits(answer)

    def peek(self, group: str, isolation: str, waiting: Mapping[Key, Waiting]) -> dict[Key, Record]:  # noqa: ARG002
        """Return first records; see :class:`Cluster`."""
        if not waiting:
            return {}
        time = Budget(self._budget.share())
        consumer, part_of = self._client.consumer(isolation, time.left())
        parts = {part_of(*key): key for key in waiting}
        consumer.assign(list(parts))
        for part, key in parts.items():
            consumer.seek(part, waiting[key].start)
        found: dict[Key, Record] = {}
        while len(found) < len(parts) and time.left():
            for part, records in consumer.poll(timeout_ms=_TICK_MS, max_records=_AT_ONCE).items():
                found[parts[part]] = _record(records[0])
            for part, key in parts.items():
                if key not in found and consumer.position(part) >= waiting[key].end:
                    found[key] = Record(-1)
            consumer.pause(*(part for part, key in parts.items() if key in found))
        return found

    def _described(self, names: Collection[str]) -> dict[str, Described | Told]:
        coordinators = self._coordinators(names)
        found: dict[str, Described | Told] = {name: one for name, one in coordinators.items() if isinstance(one, Told)}
        for read in (far_messages.NEW_GROUPS, far_messages.CLASSIC_GROUPS):
            open_ = [name for name in names if name not in found or _may_be_classic(found[name])]
            found |= self._described_as(read, {name: coordinators[name] for name in open_})
        return found

    def _described_as(
        self, kind: far_messages.GroupKind, coordinators: Mapping[str, int | Told]
    ) -> dict[str, Described | Told]:
        of_node: dict[int, list[str]] = {}
        for name, node in coordinators.items():
            if not isinstance(node, Told):
                of_node.setdefault(node, []).append(name)
        found: dict[str, Described | Told] = {}
        for node, answer in self._ask({node: (node, kind.ask(names)) for node, names in of_node.items()}).items():
            told = self._cause(answer) if isinstance(answer, Told) else Told(NO_ANSWER)
            found |= dict.fromkeys(of_node[node], told)
            if not isinstance(answer, Told):
                found |= kind.read(answer)
        return found

    def _ends(self, wanted: Mapping[Kind, Mapping[Key, int]], now_ms: int) -> dict[Kind, dict[Key, End | Told]]:
        asks: dict[_Asked, tuple[int, Any]] = {}
        keys_of: dict[_Asked, list[Key]] = {}
        for kind, leaders in wanted.items():
            for key, leader in leaders.items():
                keys_of.setdefault(_Asked(kind, leader), []).append(key)
        for asked, keys in keys_of.items():
            asks[asked] = (asked.leader, far_messages.list_offsets(asked.kind, keys, now_ms))
        found: dict[Kind, dict[Key, End | Told]] = {kind: {} for kind in wanted}
        for asked, answer in self._ask(asks).items():
            told = self._cause(answer) if isinstance(answer, Told) else Told(NO_ANSWER)
            found[asked.kind] |= dict.fromkeys(keys_of[asked], told)
            if not isinstance(answer, Told):
                found[asked.kind] |= far_messages.ends(answer)
        return found

    def _coordinators(self, groups: Iterable[str]) -> dict[str, int | Told]:
        return self._client.coordinators(sorted(set(groups)), self._budget.share())

    def _ask(self, asks: Mapping[Any, tuple[int, Any]]) -> dict[Any, Any]:
        return self._client.ask(asks, self._budget.share())

    def _cause(self, told: Told) -> Told:
        return cause_of(told, self._client.heard)


class _Asked(NamedTuple):
    """One request: a kind of offset, of a leader."""

    kind: Kind
    leader: int


def _may_be_classic(found: Described | Told) -> bool:
    return isinstance(found, Told) and found.code in _NO_NEW_GROUPS


def _record(record: Any) -> Record:
    return Record(record.offset, record.timestamp if record.timestamp is not None and record.timestamp >= 0 else None)
