# SPDX-License-Identifier: Apache-2.0
"""Groups as they are seen from look to look; all of it constructed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airflow_dataops.core.kafka_health.check import HealthCheck, parse
from airflow_dataops.core.kafka_health.codes import Code
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, MemberView, PartitionView, TopicView
from airflow_dataops.core.kafka_health.verdict import GroupVerdict, judge
from airflow_dataops.core.kafka_health.window import Window

START = 1_700_000_000_000
MINUTE = 60_000
GROUP, TOPIC = "edge-worker", "gpu-metadata"


def check_of(**changes: Any) -> HealthCheck:
    """Return a check without limits, for what they would find beside what is shown."""
    return parse({"group": GROUP, "delay": {}, **changes})


def burrow_of(**changes: Any) -> HealthCheck:
    """Return a check by Burrow's rules alone."""
    return parse({"group": GROUP, "policy": "burrow", **changes})


def view(committed: int | None = 0, end: int | None = 0, partition: int = 0, **changes: Any) -> PartitionView:
    """Return a partition whose log is whole, with no transactions in it."""
    document = {"topic": TOPIC, "partition": partition, "committed": committed, "log_start": 0}
    return PartitionView.model_validate(document | {"high_watermark": end, "last_stable": end, **changes})


def member_of(*views: PartitionView) -> MemberView:
    """Return a member that reads these partitions."""
    assigned: dict[str, tuple[int, ...]] = {}
    for one in views:
        assigned[one.topic] = (*assigned.get(one.topic, ()), one.partition)
    return MemberView(member_id="m-1", client_id="worker", host="/127.0.0.1", assigned=assigned)


def snapshot_of(*views: PartitionView, minute: float = 0, state: str = "Stable", **changes: Any) -> GroupSnapshot:
    """Return a look at a group in which all is as it should be: one member reads all partitions, unless the state says otherwise."""
    members = (member_of(*views),) if state not in ("Empty", "Dead") else ()
    topics = tuple(TopicView(name=name, topic_id=f"id-{name}") for name in sorted({one.topic for one in views}))
    document = {"group": GROUP, "taken_at_ms": START + int(minute * MINUTE), "state": state, "members": members}
    return GroupSnapshot.model_validate(document | {"topics": topics, "partitions": views, **changes})


@dataclass
class Watch:
    """A check that looks again and again.

    Attributes:
        check: The check.
        window: What it remembers.
        verdicts: What it came to.
    """

    check: HealthCheck
    window: Window | None = None
    verdicts: tuple[GroupVerdict, ...] = ()

    def look(self, snapshot: GroupSnapshot) -> GroupVerdict:
        """Look once."""
        verdict, self.window = judge(self.check, snapshot, self.window)
        self.verdicts = (*self.verdicts, verdict)
        return verdict

    def follow(self, snapshots: Iterable[GroupSnapshot]) -> GroupVerdict:
        """Look at all of it, and return the last verdict."""
        for snapshot in snapshots:
            self.look(snapshot)
        return self.verdicts[-1]


def trace(pairs: Iterable[tuple[int, int]], **changes: Any) -> list[GroupSnapshot]:
    """Return a look a minute at one partition, by its committed offset and its end."""
    return [snapshot_of(view(committed, end), minute=n, **changes) for n, (committed, end) in enumerate(pairs)]


def codes_of(verdict: GroupVerdict) -> set[Code]:
    """Return what was found."""
    return {one.code for one in verdict.all_findings}
