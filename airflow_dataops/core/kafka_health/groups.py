# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a group as a whole: its members, its rest, its topics, and all of its lag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from airflow_dataops.core.kafka_health.answers import code_of, words_of
from airflow_dataops.core.kafka_health.codes import Code, Severity
from airflow_dataops.core.kafka_health.facts import PartitionFacts
from airflow_dataops.core.kafka_health.finding import Finding, finding
from airflow_dataops.core.kafka_health.partitions import beyond
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, GroupState, ReadError
from airflow_dataops.core.kafka_health.spec import CheckParts
from airflow_dataops.core.kafka_health.window import Window


@dataclass(frozen=True)
class Group:
    """A group that is judged.

    Attributes:
        check: What is asked for.
        snapshot: What was read.
        window: What is remembered, this look included.
        facts: What is the case with the partitions, without those of topics that are not there.
        missing: Topics that the broker does not know.
    """

    check: CheckParts
    snapshot: GroupSnapshot
    window: Window
    facts: Sequence[PartitionFacts]
    missing: frozenset[str]

    @property
    def waiting(self) -> int:
        """Records that wait in partitions where more do than may; what is not known does not count."""
        counts = [one.waiting for one in self.facts if one.waiting is not None]
        return sum(count for count in counts if count > self.check.allowed_lag)

    @property
    def has_commits(self) -> bool:
        """True where the group has, or may have, a commit."""
        return any(not one.no_commit for one in self.facts)


def judge_group(group: Group) -> list[Finding]:
    """Return what is wrong with the group as a whole."""
    rules = (*_BOTH, *_STRICT) if group.check.strict else _BOTH
    return [found for rule in rules for found in rule(group)]


def rests_too_seldom(check: CheckParts, window: Window) -> bool:
    """Tell whether the looks met the group in a rebalance more often than they may."""
    return sum(window.unsettled) > check.rebalance_looks


def _absent(group: Group) -> Iterator[Finding]:
    if group.has_commits:
        return
    name, state = group.check.group, group.snapshot.at
    if state is GroupState.DEAD:
        if group.check.require_commits:
            yield finding(Code.GROUP_MISSING, f"group {name} is not there, and has no commits")
    elif not (group.facts or group.missing or _unread_topics(group)):
        yield finding(Code.NOTHING_SEEN, f"group {name} ({state.value}) has no partition that could be looked at")


def _unread(group: Group) -> Iterator[Finding]:
    for topic, error in _unread_topics(group):
        yield finding(code_of(error), f"topic {topic}: {words_of(error)}", topic=topic)
    shown = {view.name for view in group.snapshot.topics} | {view.topic for view in group.snapshot.partitions}
    for name in group.check.named:
        if name not in shown:
            message = f"topic {name}: Kafka does not show it; it is not there, or the account may not describe it"
            yield finding(Code.OFFSETS_UNKNOWN, message, topic=name)


def _unread_topics(group: Group) -> list[tuple[str, ReadError]]:
    return [
        (view.name, view.error)
        for view in group.snapshot.topics
        if view.error is not None and not view.missing and group.check.covers(view.name)
    ]


def _topics(group: Group) -> Iterator[Finding]:
    for topic in sorted(group.missing):
        yield finding(Code.TOPIC_MISSING, f"topic {topic} is not there", topic=topic)
    shown = {one.topic for one in group.facts} | group.missing | {topic for topic, _ in _unread_topics(group)}
    for topic in sorted(group.window.topics - shown):
        if group.check.covers(topic):
            message = f"topic {topic}: the group's commits are gone, as they are with a topic that is deleted"
            yield finding(Code.TOPIC_MISSING, message, topic=topic, severity=Severity.WARNING)


def _members(group: Group) -> Iterator[Finding]:
    if not (group.check.require_members and group.waiting):
        return
    state = group.snapshot.at
    if group.snapshot.gone:
        yield finding(Code.NO_MEMBERS, f"the group is {state.value}, and {group.waiting} records wait")
    elif state is GroupState.UNKNOWN:
        error = group.snapshot.state_error
        why = words_of(error) if error is not None else "Kafka tells no state and no members"
        code = code_of(error) if error is not None else Code.STATE_UNKNOWN
        code = Code.STATE_UNKNOWN if code is Code.OFFSETS_UNKNOWN else code
        yield finding(code, f"{group.waiting} records wait, and nobody knows who reads them: {why}")


def _rest(group: Group) -> Iterator[Finding]:
    if group.waiting and rests_too_seldom(group.check, group.window):
        met, looks = sum(group.window.unsettled), len(group.window.looks)
        message = f"{met} of the last {looks} looks met a rebalance, and {group.waiting} records wait"
        yield finding(Code.REBALANCING, message)


def _total(group: Group) -> Iterator[Finding]:
    known = sum(one.waiting for one in group.facts if one.waiting is not None)
    exceeded = beyond(group.check.total_lag, known)
    if exceeded:
        severity, limit = exceeded
        message = f"{known} records wait in all partitions, more than {limit}"
        yield finding(Code.TOTAL_LAG_EXCEEDED, message, severity=severity)


_BOTH: tuple[Callable[[Group], Iterator[Finding]], ...] = (_absent, _unread)
_STRICT: tuple[Callable[[Group], Iterator[Finding]], ...] = (_topics, _members, _rest, _total)
