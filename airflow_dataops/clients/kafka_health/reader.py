# SPDX-License-Identifier: Apache-2.0
"""Reads consumer groups of one cluster, all in one go: commits first, then ends, then single records. Loaded in a probe's process only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from airflow_dataops.clients.kafka_health.answer import GroupReading
from airflow_dataops.clients.kafka_health.cluster import Cluster, End, Kind, Record, Shown, Unread
from airflow_dataops.clients.kafka_health.ears import told
from airflow_dataops.core.kafka_health.asking import GroupAsk, Key, topics_of, worst_waiting
from airflow_dataops.core.kafka_health.causes import Told

# Clients at a time; each has threads and connections of its own.
_AT_ONCE = 8
Say = Callable[[int, dict[str, Any]], None]


class Reader:
    """Reads groups.

    Args:
        cluster: Makes the cluster; it may raise :class:`Unread`.
    """

    def __init__(self, cluster: Callable[[], Cluster]) -> None:
        self._cluster = cluster

    def read(self, asks: Sequence[GroupAsk], say: Say) -> None:
        """Read groups and tell each one's snapshot, by its place among the asks."""
        groups = [GroupReading(ask, _now_ms()) for ask in asks]
        try:
            _read(self._cluster(), groups)
        except Unread as error:
            for group in groups:
                group.error = group.error or error.why
        for number, group in enumerate(groups):
            say(number, group.document())


def _read(cluster: Cluster, groups: Sequence[GroupReading]) -> None:
    shown = cluster.shown()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # Before the commits: who may not see a group is told so here, and there only after all of the time.
        states = cluster.groups([group.ask.group for group in groups])
        for group in groups:
            group.describe(states[group.ask.group])
        list(pool.map(lambda group: _commits(cluster, group, shown), groups))
        read = [group for group in groups if group.error is None]
        _name_topics(cluster, read, shown)
        _read_ends(cluster, read, shown)
        list(pool.map(lambda group: _peek(cluster, group), read))


def _commits(cluster: Cluster, group: GroupReading, shown: Shown) -> None:
    ask = group.ask
    if group.error is not None:
        return
    try:
        group.commits = cluster.commits(ask.group, [key for key in shown.leaders if ask.covers(key[0])])
    except Unread as error:
        group.error = error.why
    except Exception as error:  # noqa: BLE001 - of one group; the others are still read
        group.error = told(error)


def _peek(cluster: Cluster, group: GroupReading) -> None:
    ask = group.ask
    waiting = {key: group.waiting(key) for key in worst_waiting(ask, group.lags())}
    try:
        group.records = cluster.peek(ask.group, ask.isolation, waiting)
    except Exception:  # noqa: BLE001 - what was not read is not known, and the lag is exact without it
        group.records = dict[Key, Record]()


def _name_topics(cluster: Cluster, groups: Sequence[GroupReading], shown: Shown) -> None:
    topics = [topics_of(group.ask, shown.topics, group.used()) for group in groups]
    ids = cluster.topic_ids({topic for several in topics for topic in several})
    for group, chosen in zip(groups, topics, strict=True):
        group.topics = {topic: ids[topic] for topic in chosen}
        group.partitions = shown.partitions(chosen)


def _read_ends(cluster: Cluster, groups: Sequence[GroupReading], shown: Shown) -> None:
    wanted: dict[Kind, set[Key]] = {}
    for group in groups:
        for kind in group.kinds():
            wanted.setdefault(kind, set()).update(group.partitions)
    now_ms = _now_ms()
    found: dict[Kind, dict[Key, End | Told]] = cluster.offsets(wanted, shown, now_ms)
    for group in groups:
        group.taken_at_ms = now_ms
        group.ends = {kind: found[kind] for kind in group.kinds()}


def _now_ms() -> int:
    return int(time.time() * 1000)
