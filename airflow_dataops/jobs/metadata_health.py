# SPDX-License-Identifier: Apache-2.0
"""How the consumer group of a metadata log does, by the log's own offsets, and by the rules of the Kafka health check.

For an embedded log, and for what a log's offsets alone say. A Kafka group has its own probe (``kafka_health``), which also sees members.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from airflow_dataops.clients.metadata.parts import Parts, opened
from airflow_dataops.core.kafka_health.check import HealthCheck, parse
from airflow_dataops.core.kafka_health.codes import Severity
from airflow_dataops.core.kafka_health.report import document_of, lines_of
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, GroupState, PartitionView, TopicView
from airflow_dataops.core.kafka_health.verdict import judge
from airflow_dataops.core.metadata.drain import Offsets, PartitionId
from airflow_dataops.core.metadata.jobs import HealthResult, HealthSpec, Verdict
from airflow_dataops.jobs.process import Progress, main

# A group that a run drains now and then has no members, and at first no commits.
DRAINED = {"require_members": False, "require_commits": False}


def run(
    spec: HealthSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> HealthResult:
    """Look once, and tell.

    Args:
        spec: What is checked.
        secrets: Reference -> value.
        progress: Told the findings, one line at a time.

    Raises:
        SpecError: The check is not valid.
        TransientError: The log did not answer.
    """
    tell = progress or (lambda _line: None)
    check = parse({**DRAINED, **spec.check, "group": spec.events.group, "topics": [spec.events.topic]})
    with opened(spec, secrets) as parts:
        snapshot = _snapshot(check, parts, time.time_ns() // 10**6)
    verdict, _ = judge(check, snapshot)
    lines = lines_of(verdict)
    for line in lines:
        tell(line)
    severe: dict[Severity, Verdict] = {
        Severity.CRITICAL: "failed",
        Severity.WARNING: "warned",
        Severity.UNKNOWN: "failed",
    }
    return HealthResult(
        task=spec.task,
        run=spec.run,
        verdict=severe.get(verdict.severity, "passed"),
        health=document_of(verdict, check.worst),
        reasons=lines,
    )


def _snapshot(check: HealthCheck, parts: Parts, now_ms: int) -> GroupSnapshot:
    log = parts.log
    seen = log.offsets()
    views = tuple(_view(parts, partition, one, check, now_ms) for partition, one in sorted(seen.items()))
    state = GroupState.EMPTY if any(one.committed is not None for one in seen.values()) else GroupState.DEAD
    return GroupSnapshot(
        group=log.group,
        taken_at_ms=now_ms,
        state=state,
        members=(),
        topics=(TopicView(name=log.topic),),
        partitions=views,
    )


def _view(parts: Parts, partition: PartitionId, seen: Offsets, check: HealthCheck, now_ms: int) -> PartitionView:
    begin = seen.start if seen.committed is None else max(seen.committed, seen.start)
    first = next(iter(parts.log.read(partition, begin, seen.end)), None) if begin < seen.end else None
    # Times of an embedded log rise: whether the first waiting record is older than an age says where the younger ones begin.
    younger = {
        age: seen.end if first is None else first.offset if first.timestamp >= now_ms - age else -1
        for age in check.ages_ms
    }
    return PartitionView(
        topic=partition[0],
        partition=partition[1],
        committed=-1 if seen.committed is None else seen.committed,
        log_start=seen.start,
        high_watermark=seen.end,
        last_stable=seen.end,
        next_offset=-1 if first is None else first.offset,
        next_at_ms=None if first is None else first.timestamp,
        younger=younger,
    )


if __name__ == "__main__":
    raise SystemExit(main(HealthSpec, run))
