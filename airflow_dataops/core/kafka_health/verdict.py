# SPDX-License-Identifier: Apache-2.0
"""From a look at a group to the verdict, and to the window that the next look goes on from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from airflow_dataops.core.kafka_health.answers import code_of, words_of
from airflow_dataops.core.kafka_health.burrow import WindowStatus, group_status
from airflow_dataops.core.kafka_health.codes import Code, Severity, rank, worst
from airflow_dataops.core.kafka_health.facts import PartitionFacts, facts_in
from airflow_dataops.core.kafka_health.finding import Finding, finding
from airflow_dataops.core.kafka_health.groups import Group, judge_group, rests_too_seldom
from airflow_dataops.core.kafka_health.partitions import Scene, judge_partition
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, GroupState
from airflow_dataops.core.kafka_health.spec import CheckParts, milliseconds
from airflow_dataops.core.kafka_health.window import Look, Window, observe


@dataclass(frozen=True)
class PartitionVerdict:
    """How one partition does.

    Attributes:
        facts: What is the case.
        status: What Burrow's rules say; None where offsets are not known.
        findings: What is wrong, the worst first.
    """

    facts: PartitionFacts
    status: WindowStatus | None
    findings: tuple[Finding, ...] = ()

    @property
    def severity(self) -> Severity:
        """That of the worst finding."""
        return worst(one.severity for one in self.findings)


@dataclass(frozen=True)
class GroupVerdict:
    """How a group does.

    Attributes:
        group: The group.
        taken_at_ms: When it was looked at.
        state: Its state.
        members: Number of its members; None where they are not known.
        status: What Burrow's rules say of the partitions whose offsets are known; None where there are none such.
        findings: What is wrong with the group as a whole, the worst first.
        partitions: All partitions, the worst first.
        before: What the look before came to; None where there was none.
        counts: How many findings there are of each code.
    """

    group: str
    taken_at_ms: int
    state: GroupState = GroupState.UNKNOWN
    members: int | None = None
    status: WindowStatus | None = None
    findings: tuple[Finding, ...] = ()
    partitions: tuple[PartitionVerdict, ...] = ()
    before: Severity | None = None
    counts: dict[Code, int] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """That of the worst finding."""
        return worst([*(one.severity for one in self.findings), *(part.severity for part in self.partitions)])

    @property
    def all_findings(self) -> list[Finding]:
        """What is wrong, with the group and with each partition, the worst first."""
        return _sorted([*self.findings, *(one for part in self.partitions for one in part.findings)])

    @property
    def changed(self) -> bool:
        """True where the look before came to something else; the first look changes something where it is not ``ok``."""
        return self.severity is not (self.before or Severity.OK)

    @property
    def retryable(self) -> bool:
        """True where what is unknown may be known by another try: nothing of it is a refusal, which stays one."""
        unknown = [one for one in self.all_findings if one.severity is Severity.UNKNOWN]
        return self.severity is Severity.UNKNOWN and all(one.retryable for one in unknown)

    @property
    def total_lag(self) -> int | None:
        """Records that wait in all partitions; None where that is not known of all of them. Where there is no commit there is no lag."""
        facts = [part.facts for part in self.partitions]
        if not facts or any(one.unknown is not None for one in facts):
            return None
        return sum(one.waiting or 0 for one in facts)


def judge(check: CheckParts, snapshot: GroupSnapshot, window: Window | None = None) -> tuple[GroupVerdict, Window]:
    """Return how a group does, and the window for the next look.

    Never raises, and never takes what could not be read for good: that is a finding of severity ``unknown``. A look at which nothing
    could be read leaves the window as it is.

    Args:
        check: What is asked for.
        snapshot: What was read; its ``taken_at_ms`` is the time.
        window: What earlier looks saw; None at the first.
    """
    window = window or Window()
    if snapshot.error is not None:
        why = finding(code_of(snapshot.error), words_of(snapshot.error))
        verdict = GroupVerdict(
            check.group, snapshot.taken_at_ms, findings=(why,), before=window.severity, counts={why.code: 1}
        )
    else:
        verdict, window = _judge(check, snapshot, window)
    return verdict, replace(window, severity=verdict.severity)


def _judge(check: CheckParts, snapshot: GroupSnapshot, window: Window) -> tuple[GroupVerdict, Window]:
    missing = frozenset(view.name for view in snapshot.topics if view.missing and check.covers(view.name))
    facts = [one for one in facts_in(check, snapshot, window) if one.topic not in missing]
    window = observe(
        window, _look(snapshot, facts), size=check.window, min_distance_ms=milliseconds(check.min_distance)
    )
    scene = _scene(check, snapshot, window)
    parts = [_partition(scene, one, window) for one in facts]
    whole = _sorted(judge_group(Group(check, snapshot, window, facts, missing)))
    known = [part.status for part in parts if part.status is not None]
    verdict = GroupVerdict(
        group=check.group,
        taken_at_ms=snapshot.taken_at_ms,
        state=snapshot.at,
        members=None if snapshot.members is None else len(snapshot.members),
        status=group_status(known) if known else None,
        findings=tuple(whole),
        partitions=tuple(sorted(parts, key=_badness)),
        before=window.severity,
        counts=dict(Counter(one.code for one in [*whole, *(one for part in parts for one in part.findings)])),
    )
    return verdict, window


def _look(snapshot: GroupSnapshot, facts: Sequence[PartitionFacts]) -> Look:
    return Look(
        at_ms=snapshot.taken_at_ms,
        facts=facts,
        unsettled=snapshot.at is GroupState.REBALANCING,
        gone=snapshot.gone,
        topic_ids={view.name: view.topic_id for view in snapshot.topics if view.topic_id is not None},
    )


def _scene(check: CheckParts, snapshot: GroupSnapshot, window: Window) -> Scene:
    met = () if rests_too_seldom(check, window) else zip(window.looks, window.unsettled, strict=True)
    return Scene(
        check=check,
        now_ms=snapshot.taken_at_ms,
        gone=snapshot.gone,
        stable=snapshot.at is GroupState.STABLE and snapshot.members is not None,
        forgiven=frozenset(at for at, unsettled in met if unsettled),
    )


def _partition(scene: Scene, facts: PartitionFacts, window: Window) -> PartitionVerdict:
    seen = window.of(facts.key)
    status, findings = judge_partition(scene, facts, seen)
    return PartitionVerdict(facts, status, tuple(_sorted(findings)))


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    codes = list(Code)
    return sorted(
        findings,
        key=lambda one: (
            -rank(one.severity),
            codes.index(one.code),
            one.topic or "",
            -1 if one.partition is None else one.partition,
        ),
    )


def _badness(part: PartitionVerdict) -> tuple[int, int, int, str, int]:
    facts = part.facts
    return (-rank(part.severity), -(facts.waiting or 0), -(facts.age_ms or 0), *facts.key)


__all__ = ["GroupVerdict", "PartitionVerdict", "judge"]
