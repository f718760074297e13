# SPDX-License-Identifier: Apache-2.0
"""What is told of a verdict: a small document, metrics, and lines of a log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_dataops.core.kafka_health.finding import Finding
from airflow_dataops.core.kafka_health.verdict import GroupVerdict, PartitionVerdict
from airflow_dataops.core.metrics import Metric

_AREA = "dataops.kafka"
_FACTS = ("committed", "start", "end", "lag", "waiting", "lost", "assigned", "age_ms")


def document_of(verdict: GroupVerdict, worst: int = 10) -> dict[str, Any]:
    """Return what of a verdict is worth keeping in XCom: a summary, and the worst partitions one by one.

    Args:
        verdict: How the group does.
        worst: So many partitions and findings at most; ``counts`` has all.
    """
    parts = verdict.partitions
    ages = [part.facts.age_ms for part in parts if part.facts.age_ms is not None]
    return {
        "schema_version": 1,
        "group": verdict.group,
        "taken_at_ms": verdict.taken_at_ms,
        "severity": verdict.severity.value,
        "before": verdict.before.value if verdict.before else None,
        "status": verdict.status.value if verdict.status else None,
        "state": verdict.state.value,
        "members": verdict.members,
        "partitions": len(parts),
        "total_lag": verdict.total_lag,
        "max_lag": max((part.facts.waiting for part in parts if part.facts.waiting is not None), default=None),
        "max_age_ms": max(ages, default=None),
        "counts": {code.value: count for code, count in sorted(verdict.counts.items())},
        "findings": [_finding(one) for one in verdict.all_findings[:worst]],
        "worst": [_partition(part) for part in parts[:worst]],
    }


def metrics_of(verdict: GroupVerdict, tags: dict[str, str], *, by_partition: bool = False) -> list[Metric]:
    """Return the metrics ``dataops.kafka.*`` of a look. What is not known is not measured: it is never 0.

    Args:
        verdict: How the group does.
        tags: DAG and task.
        by_partition: Whether each partition has a metric of its own, which are many.
    """
    named = {**tags, "group": verdict.group}
    found = [Metric("incr", f"{_AREA}.verdict", 1, {**named, "severity": verdict.severity.value})]
    found += [
        Metric("gauge", f"{_AREA}.findings", count, {**named, "code": code.value})
        for code, count in sorted(verdict.counts.items())
    ]
    if verdict.total_lag is not None:
        found.append(Metric("gauge", f"{_AREA}.lag", verdict.total_lag, named))
    if verdict.members is not None:
        found.append(Metric("gauge", f"{_AREA}.members", verdict.members, named))
    found += _by_topic(verdict, named)
    if by_partition:
        found += _by_partition(verdict, named)
    return found


def lines_of(verdict: GroupVerdict, most: int = 10) -> list[str]:
    """Return the lines of a log: the verdict, and the worst findings with what to do about each code once."""
    lag = "unknown" if verdict.total_lag is None else str(verdict.total_lag)
    head = f"group {verdict.group}: {verdict.severity.value}, {verdict.state.value}, lag {lag} in {len(verdict.partitions)} partitions"
    shown = verdict.all_findings[:most]
    lines, hinted = [head], set()
    for one in shown:
        hint = "" if one.code in hinted else f" -> {one.hint}"
        hinted.add(one.code)
        lines.append(f"{one.severity.value} {one.code.value}: {one.message}{hint}")
    left = len(verdict.all_findings) - len(shown)
    return [*lines, f"… and {left} findings more"] if left else lines


def alert_line(verdict: GroupVerdict) -> str:
    """Return the line of a task's log that alerts count: ``dataops.kafka.failed group=edge-worker code=STALLED``."""
    found = verdict.all_findings
    return f"{_AREA}.failed group={verdict.group} code={found[0].code.value if found else 'NONE'}"


def _by_topic(verdict: GroupVerdict, tags: dict[str, str]) -> Iterator[Metric]:
    lags: dict[str, list[int | None]] = {}
    ages: dict[str, int] = {}
    for part in verdict.partitions:
        facts = part.facts
        lags.setdefault(facts.topic, []).append(0 if facts.no_commit else facts.waiting)
        if facts.age_ms is not None:
            ages[facts.topic] = max(facts.age_ms, ages.get(facts.topic, 0))
    for topic, known in sorted(lags.items()):
        counts = [lag for lag in known if lag is not None]
        if len(counts) == len(known):
            yield Metric("gauge", f"{_AREA}.topic.lag", sum(counts), {**tags, "topic": topic})
    for topic, age in sorted(ages.items()):
        yield Metric("timing", f"{_AREA}.topic.delay", float(age), {**tags, "topic": topic})


def _by_partition(verdict: GroupVerdict, tags: dict[str, str]) -> Iterator[Metric]:
    for part in sorted(verdict.partitions, key=lambda one: one.facts.key):
        facts = part.facts
        if facts.waiting is not None:
            named = {**tags, "topic": facts.topic, "partition": str(facts.partition)}
            yield Metric("gauge", f"{_AREA}.partition.lag", facts.waiting, named)


def _finding(one: Finding) -> dict[str, Any]:
    return one.model_dump(mode="json", exclude_none=True)


def _partition(part: PartitionVerdict) -> dict[str, Any]:
    facts = part.facts
    told = {name: getattr(facts, name) for name in _FACTS}
    return {
        "topic": facts.topic,
        "partition": facts.partition,
        "severity": part.severity.value,
        "status": part.status.value if part.status else None,
        **{name: value for name, value in told.items() if value is not None},
        **({"no_commit": True} if facts.no_commit else {}),
        **({"phantom": True} if facts.phantom else {}),
        "codes": [one.code.value for one in part.findings],
    }


__all__ = ["alert_line", "document_of", "lines_of", "metrics_of"]
