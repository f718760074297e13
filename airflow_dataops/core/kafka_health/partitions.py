# SPDX-License-Identifier: Apache-2.0
"""What is wrong with one partition, by what is the case and what its window tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from airflow_dataops.core.kafka_health.answers import code_of, words_of
from airflow_dataops.core.kafka_health.burrow import Sample, WindowStatus, evaluate_window
from airflow_dataops.core.kafka_health.codes import Code, Severity
from airflow_dataops.core.kafka_health.facts import NO_ANSWER, PartitionFacts
from airflow_dataops.core.kafka_health.finding import Finding, finding, told
from airflow_dataops.core.kafka_health.spec import CheckParts, Limits, milliseconds
from airflow_dataops.core.kafka_health.trend import STUCK_LOOKS, gone_back, grows, stuck_looks, waited_ms
from airflow_dataops.core.kafka_health.window import PartitionWindow


@dataclass(frozen=True)
class Scene:
    """What is the same for all partitions of a look.

    Attributes:
        check: What is asked for.
        now_ms: The time.
        gone: The group has no members.
        stable: It is at rest, and its members are known.
        forgiven: When looks met it in a rebalance, no more often than they may.
    """

    check: CheckParts
    now_ms: int
    gone: bool = False
    stable: bool = False
    forgiven: frozenset[int] = frozenset()

    @property
    def looks_at_trends(self) -> bool:
        """False where nobody is expected to commit: between two turns of a group that reads now and then."""
        return not (self.gone and self.check.strict and not self.check.require_members)


@dataclass(frozen=True)
class Subject:
    """A partition that is judged; ``waiting`` is known and more than is allowed."""

    scene: Scene
    facts: PartitionFacts
    window: PartitionWindow
    samples: Sequence[Sample]
    status: WindowStatus

    @property
    def waiting(self) -> int:
        """Records that wait."""
        return self.facts.waiting or 0

    def say(self, code: Code, message: str, severity: Severity | None = None) -> Finding:
        """Return a finding about this partition."""
        return _say(self.facts, code, message, severity)


def judged(scene: Scene, window: PartitionWindow) -> list[Sample]:
    """Return the commits that tell of a trend: without those of forgiven looks that do not go on.

    In a rebalance nobody is expected to commit, and who commits an old offset then says nothing yet; what was the case before it still is.
    """
    kept: list[Sample] = []
    for sample in window.samples:
        if sample.timestamp_ms not in scene.forgiven or (kept and sample.offset > kept[-1].offset):
            kept.append(sample)
    return kept


def status_of(
    scene: Scene, facts: PartitionFacts, window: PartitionWindow, samples: Sequence[Sample]
) -> WindowStatus | None:
    """Return what Burrow's rules say; None where offsets are not known. Without a commit there is nothing to look at: ``OK``."""
    if facts.unknown is not None:
        return None
    if facts.no_commit:
        return WindowStatus.OK
    status = evaluate_window(
        samples,
        end_offsets=(end for _, end in window.ends),
        current_lag=facts.waiting,
        # The time of a forgiven rebalance is no time without a commit.
        now_ms=samples[-1].timestamp_ms if samples and scene.now_ms in scene.forgiven else scene.now_ms,
        allowed_lag=scene.check.allowed_lag,
    )
    # Kafka tells no time of a commit: that looks saw the same one says who is to blame only together with the members.
    return WindowStatus.STOP if status is WindowStatus.STALL and scene.gone else status


def judge_partition(
    scene: Scene, facts: PartitionFacts, window: PartitionWindow
) -> tuple[WindowStatus | None, list[Finding]]:
    """Return what Burrow's rules say, and what is wrong with a partition: nothing where all has been read."""
    samples = judged(scene, window)
    status = status_of(scene, facts, window, samples)
    if facts.unknown is not None or status is None:
        code = code_of(facts.unknown)
        return None, [_say(facts, code, f"{facts.where}: {words_of(facts.unknown or NO_ANSWER)}", None)]
    if facts.no_commit:
        return status, list(_without_commit(scene, facts, window))
    found = list(_log(facts)) if scene.check.strict else []
    if facts.waiting is None or facts.waiting <= scene.check.allowed_lag:
        return status, found
    one = Subject(scene, facts, window, samples, status)
    if scene.looks_at_trends:
        found += _trends(one)
    if scene.check.strict:
        found += [wrong for rule in _STRICT for wrong in rule(one)]
    return status, found


def beyond(limits: Limits, count: int) -> tuple[Severity, int] | None:
    """Return how bad so many records are, and the limit that they exceed; None where they exceed none."""
    if limits.critical is not None and count > limits.critical:
        return Severity.CRITICAL, limits.critical
    if limits.warning is not None and count > limits.warning:
        return Severity.WARNING, limits.warning
    return None


def _log(facts: PartitionFacts) -> Iterator[Finding]:
    if facts.lost:
        message = (
            f"{facts.where}: {facts.lost} records from offset {facts.committed} on were deleted before they were read"
        )
        yield _say(facts, Code.DATA_LOST, message, None)
    if facts.replaced:
        message = f"{facts.where}: the commit {facts.committed} lies behind the end of the log, {facts.end}"
        yield _say(facts, Code.LOG_REPLACED, message, None)


def _unsure_log(one: Subject) -> Iterator[Finding]:
    facts = one.facts
    if facts.lost is None:
        yield one.say(
            Code.OFFSETS_UNKNOWN, f"{facts.where}: the start of the log is not known, nor whether records were lost"
        )
    if facts.other_epoch and not facts.replaced:
        message = f"{facts.where}: the commit {facts.committed} was made in a newer leader epoch than the log has"
        yield one.say(Code.LOG_REPLACED, message, Severity.WARNING)


def _without_commit(scene: Scene, facts: PartitionFacts, window: PartitionWindow) -> Iterator[Finding]:
    if not (scene.check.strict and scene.check.require_commits):
        return
    if facts.start is None and facts.end:
        message = f"{facts.where}: no commit, and the start of the log is not known"
        yield _say(facts, Code.OFFSETS_UNKNOWN, message, None)
        return
    records = (facts.end or 0) - (facts.start or 0)
    if records <= 0:
        return
    ends = window.ends
    grown = ends[-1][1] - ends[0][1] if ends else 0
    more = f", {grown} of them since it was first looked at" if grown > 0 else ""
    message = f"{facts.where}: no commit, and up to {records} records{more}"
    yield _say(facts, Code.NO_COMMIT, message, Severity.CRITICAL if grown > 0 else Severity.WARNING)


def _trends(one: Subject) -> Iterator[Finding]:
    where, waiting, committed = one.facts.where, one.waiting, one.facts.committed
    samples, strict = one.samples, one.scene.check.strict
    back = gone_back(samples)
    stuck = stuck_looks(samples, one.scene.check.allowed_lag)
    if one.status is WindowStatus.STOP:
        yield one.say(Code.STOPPED, f"{where}: no commit after {committed}, and {waiting} records wait")
    elif one.status is WindowStatus.REWIND or (strict and back):
        yield one.say(Code.REWOUND, f"{where}: the commit {committed} is {back} records before an earlier one")
    elif one.status is WindowStatus.STALL or (strict and stuck >= STUCK_LOOKS and not one.scene.gone):
        told_looks = f"{stuck} looks" if stuck > 1 else "the whole window"
        yield one.say(
            Code.STALLED, f"{where}: the commit stays at {committed} for {told_looks}, and {waiting} records wait"
        )
    elif one.status is WindowStatus.WARN:
        yield one.say(Code.SLOW, f"{where}: {waiting} records wait, and the lag has not become smaller")
    elif strict and grows(samples, waiting, one.scene.check.allowed_lag):
        yield one.say(Code.GROWING, f"{where}: {waiting} records wait, more than ever in the older half of the window")


def _lag(one: Subject) -> Iterator[Finding]:
    exceeded = beyond(one.scene.check.lag, one.waiting)
    if exceeded:
        severity, limit = exceeded
        yield one.say(Code.LAG_EXCEEDED, f"{one.facts.where}: {one.waiting} records wait, more than {limit}", severity)


def _delay(one: Subject) -> Iterator[Finding]:
    limits = one.scene.check.delay
    unsure = False
    for severity, limit in ((Severity.CRITICAL, limits.critical), (Severity.WARNING, limits.warning)):
        late = None if limit is None else is_late(one.scene.now_ms, one.facts, one.window, limit)
        if limit is not None and late:
            age = one.facts.age_ms
            since = f"for {told(age)}, longer than" if age is not None else "for longer than"
            message = f"{one.facts.where}: a record waits {since} {told(milliseconds(limit))}"
            yield one.say(Code.DELAY_EXCEEDED, message, severity)
            break
        unsure = unsure or (limit is not None and late is None)
    if unsure:
        yield one.say(Code.DELAY_UNKNOWN, f"{one.facts.where}: {one.waiting} records wait, for an unknown time")


def is_late(now_ms: int, facts: PartitionFacts, window: PartitionWindow, limit: timedelta) -> bool | None:
    """Tell whether the first waiting record is older than a limit; None where nobody knows.

    What counts, in this order: its own timestamp; the offset from which on records are younger (none, or one behind it: it is older);
    the newest record, where even that is older; since when looks have seen the log end behind it.
    """
    bound = milliseconds(limit)
    if facts.age_ms is not None:
        return facts.age_ms > bound
    first = facts.first or 0
    younger = dict(facts.younger).get(bound)
    if younger is not None:
        return younger == -1 or younger > first
    at_least, at_most = waited_ms(window.ends, first, now_ms)
    if (facts.newest_ms is not None and facts.newest_ms > bound) or at_least > bound:
        return True
    # Looks are some time apart, so that they tell no better than that; what is late is certain at one of the next.
    nearly = at_most is not None and (at_most <= bound or at_most - at_least <= bound)
    return False if nearly else None


def _unassigned(one: Subject) -> Iterator[Finding]:
    if one.scene.stable and one.facts.assigned is False and one.scene.check.require_members:
        message = f"{one.facts.where}: no member reads it, and {one.waiting} records wait"
        yield one.say(Code.UNASSIGNED, message)


def _say(facts: PartitionFacts, code: Code, message: str, severity: Severity | None) -> Finding:
    return finding(code, message, topic=facts.topic, partition=facts.partition, severity=severity)


_STRICT: tuple[Callable[[Subject], Iterator[Finding]], ...] = (_unsure_log, _lag, _delay, _unassigned)
