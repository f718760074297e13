# SPDX-License-Identifier: Apache-2.0
"""Looks at consumer groups without brokers and without waiting: answers are written down, and stand in for the processes that ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from airflow_dataops.clients.kafka_health import probe, watch
from airflow_dataops.clients.kafka_health.probe import KafkaAccess
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, unread
from tests.unit.core.kafka_health.samples import GROUP, MINUTE, START, snapshot_of, view


def at(minute: int, committed: int, end: int, *, state: str = "Stable", partitions: int = 1) -> GroupSnapshot:
    """Return a look at the group, so many minutes after the first one; what waits there is less than five minutes old."""
    views = [view(committed, end, number, younger={300_000: committed}) for number in range(partitions)]
    return snapshot_of(*views, minute=minute, state=state)


def dark(minute: int, code: str) -> GroupSnapshot:
    """Return a look at which nothing could be read."""
    return unread(GROUP, START + minute * MINUTE, code, "in the dark")


class Answers:
    """Stands in for :class:`~airflow_dataops.clients.kafka_health.probe.Probes`.

    Args:
        snapshots: The answers, in order; the last one again and again.

    Attributes:
        asked: What was asked.
        accesses: How to reach the cluster, each time.
        slept: Seconds that nobody waited.
    """

    def __init__(self, *snapshots: GroupSnapshot) -> None:
        self._left: Iterator[GroupSnapshot] = iter(snapshots)
        self._last = snapshots[0]
        self.asked: list[GroupAsk] = []
        self.accesses: list[KafkaAccess] = []
        self.slept: list[float] = []

    async def probe(
        self, access: KafkaAccess, asks: Sequence[GroupAsk], *, seconds: float = 30.0
    ) -> list[GroupSnapshot]:
        """Answer with the next snapshot."""
        assert seconds > 0
        self.asked += asks
        self.accesses.append(access)
        self._last = next(self._left, self._last)
        return [self._last]

    async def sleep(self, seconds: float) -> None:
        """Note how long somebody would have waited."""
        self.slept.append(seconds)
        await asyncio.sleep(0)


def answer(patch: pytest.MonkeyPatch, *snapshots: GroupSnapshot) -> Answers:
    """Let all looks of this process have these answers, with no time between them."""
    made = Answers(*snapshots)
    patch.setattr(probe, "PROBES", made)
    patch.setattr(watch, "pause", made.sleep)
    return made
