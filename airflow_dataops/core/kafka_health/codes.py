# SPDX-License-Identifier: Apache-2.0
"""What a check can find at a consumer group: the codes, how bad each is, what it means, and what to do about it.

The page docs/reference/kafka_health.md is written from :data:`CODES` by tools/kafka_verdicts.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Severity(StrEnum):
    """How bad it is; part of the public contract. From good to bad: what is certain to be bad outranks what nobody knows."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"  # it could not be read; never a pass
    CRITICAL = "critical"


_ORDER = {severity: rank for rank, severity in enumerate(Severity)}
Sees = Literal["both", "strict"]


def rank(severity: Severity) -> int:
    """Return 0 for the best severity, and more for each worse one."""
    return _ORDER[severity]


def worst(severities: Iterable[Severity]) -> Severity:
    """Return the worst severity; ``ok`` where there is none."""
    return max(severities, key=rank, default=Severity.OK)


class Code(StrEnum):
    """What a check can find; part of the public contract."""

    STOPPED = "STOPPED"
    STALLED = "STALLED"
    REWOUND = "REWOUND"
    SLOW = "SLOW"
    GROWING = "GROWING"
    LAG_EXCEEDED = "LAG_EXCEEDED"
    TOTAL_LAG_EXCEEDED = "TOTAL_LAG_EXCEEDED"
    DELAY_EXCEEDED = "DELAY_EXCEEDED"
    DATA_LOST = "DATA_LOST"
    LOG_REPLACED = "LOG_REPLACED"
    NO_COMMIT = "NO_COMMIT"
    NO_MEMBERS = "NO_MEMBERS"
    UNASSIGNED = "UNASSIGNED"
    REBALANCING = "REBALANCING"
    TOPIC_MISSING = "TOPIC_MISSING"
    GROUP_MISSING = "GROUP_MISSING"
    NOTHING_SEEN = "NOTHING_SEEN"
    OFFSETS_UNKNOWN = "OFFSETS_UNKNOWN"
    DELAY_UNKNOWN = "DELAY_UNKNOWN"
    STATE_UNKNOWN = "STATE_UNKNOWN"
    NOT_READY = "NOT_READY"
    UNREACHABLE = "UNREACHABLE"
    DENIED = "DENIED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PROBE_CRASHED = "PROBE_CRASHED"
    PROBE_TIMEOUT = "PROBE_TIMEOUT"
    PROBE_GARBAGE = "PROBE_GARBAGE"
    PROBE_SETTINGS = "PROBE_SETTINGS"
    PROBE_NOT_INSTALLED = "PROBE_NOT_INSTALLED"


@dataclass(frozen=True)
class Meaning:
    """What stands behind a code.

    Attributes:
        means: What is the case.
        signs: By what it is known.
        hint: What to type or change, in one line.
        severity: How bad; where the findings of one code differ, the worst of it.
        sees: ``both`` policies, or ``strict`` alone.
        retryable: Of what is unknown: whether another try may know more.
    """

    means: str
    signs: str
    hint: str
    severity: Severity = Severity.CRITICAL
    sees: Sees = "strict"
    retryable: bool = False


TRENDS: dict[Code, Meaning] = {
    Code.STOPPED: Meaning(
        "Nobody commits any more, and records wait.",
        "no commit for longer than the window is long (Burrow's STOP); or none moves, and the group has no members",
        "start the consumers, and look into their log for why they ended",
        sees="both",
    ),
    Code.STALLED: Meaning(
        "The group has members, and the commit does not move while records wait.",
        "all offsets of the window are equal (Burrow's STALL); policy `strict`: those of the last 3 looks, whatever the lag was before",
        "look for a record that the consumer cannot process (it fails on the committed offset again and again), or for a hanging call; "
        "then restart it",
        sees="both",
    ),
    Code.REWOUND: Meaning(
        "The commit went back, and has not come to where it was: records are read again.",
        "an offset is lower than one before it and none regained that (Burrow's REWIND, which looks at the first drop; `strict` at each)",
        "if nobody reset the offsets: look for consumers that commit old positions after a rebalance, and for two versions of them at once",
        sees="both",
    ),
    Code.SLOW: Meaning(
        "Commits move, and the lag has not become smaller once.",
        "no lag of the window is below the one before it (Burrow's WARN)",
        "add consumers (at most one for each partition), or find out what makes them slow",
        Severity.WARNING,
        sees="both",
    ),
    Code.GROWING: Meaning(
        "The lag grows, although it was smaller now and then.",
        "8 looks or more: all but one lag of the newer half of the window, and the lag now, are above each of the older half",
        "add consumers (at most one for each partition), or find out what makes them slow",
        Severity.WARNING,
    ),
}

STATES: dict[Code, Meaning] = {
    Code.LAG_EXCEEDED: Meaning(
        "More records wait in a partition than may.",
        "`lag.warning` or `lag.critical` is exceeded",
        "add consumers, or raise the threshold if so much may wait",
    ),
    Code.TOTAL_LAG_EXCEEDED: Meaning(
        "More records wait in all partitions together than may.",
        "`total_lag.warning` or `total_lag.critical` is exceeded by the partitions whose lag is known",
        "add consumers, or raise the threshold if so much may wait",
    ),
    Code.DELAY_EXCEEDED: Meaning(
        "A record waits for longer than it may.",
        "`delay.warning` or `delay.critical` is exceeded by the age of the first record that waits, or by the time since looks saw it",
        "add consumers, or raise the threshold if records may wait for so long",
    ),
    Code.DATA_LOST: Meaning(
        "Records were deleted before the group read them.",
        "the committed offset lies before the start of the log",
        "raise `retention.ms` or `retention.bytes` of the topic at once, then load the lost records from their source",
    ),
    Code.LOG_REPLACED: Meaning(
        "The commit belongs to another log than the one that is there: the topic was made anew, or its end was cut off.",
        "the committed offset lies behind the end; a warning where only its leader epoch is newer than the leader's",
        "decide where to read on: kafka-consumer-groups --group GROUP --topic TOPIC --reset-offsets --to-earliest --execute",
    ),
    Code.NO_COMMIT: Meaning(
        "The group has never committed for a partition that has records.",
        "no committed offset, and the end lies behind the start; critical where records came in while it was looked at, else a warning",
        "see that a consumer reads the partition and commits; `require_commits: false` for a group that is yet to begin",
    ),
    Code.NO_MEMBERS: Meaning(
        "Records wait, and nobody is there to read them.",
        "the group is `EMPTY` or `DEAD`",
        "start the consumers; `require_members: false` for a group that reads now and then, or without joining",
    ),
    Code.UNASSIGNED: Meaning(
        "Records wait in a partition that no member reads.",
        "the group is `STABLE`, and the partition is in no member's assignment",
        "see that the consumers subscribe to the topic; restart those that do not know its new partitions",
    ),
    Code.REBALANCING: Meaning(
        "The group does not come to rest, and records wait.",
        "more looks of the window than `rebalance_looks` met it in a rebalance",
        "look for consumers that exceed `max.poll.interval.ms` or restart again and again; static membership helps",
    ),
    Code.TOPIC_MISSING: Meaning(
        "A topic is not there.",
        "the broker does not know a topic that `topics` names or the group has commits for; a warning where only the commits are gone",
        "create the topic, or take its name out of `topics`",
    ),
    Code.GROUP_MISSING: Meaning(
        "There is no such group.",
        "the broker calls it `DEAD`, and it has no commit",
        "check the group's name; `require_commits: false` for a group that is yet to begin",
        sees="both",
    ),
}

UNKNOWNS: dict[Code, Meaning] = {
    Code.NOTHING_SEEN: Meaning(
        "There is not one partition to look at.",
        "the group has no commits, and `topics` matches none",
        "name the topics in `topics`; without the right to describe a topic Kafka hides it without a word",
        Severity.UNKNOWN,
        sees="both",
    ),
    Code.OFFSETS_UNKNOWN: Meaning(
        "Committed or end offset of a partition could not be read.",
        "an error of the broker, a partition without leader, or no answer (librdkafka then says -1001 without an error)",
        "look at the brokers and the partition's leader; try again",
        Severity.UNKNOWN,
        sees="both",
        retryable=True,
    ),
    Code.DELAY_UNKNOWN: Meaning(
        "Records wait, and nobody knows for how long.",
        "`delay` has a threshold, and neither timestamps nor earlier looks tell",
        "take the thresholds of `delay` away where records have no timestamps",
        Severity.UNKNOWN,
        retryable=True,
    ),
    Code.STATE_UNKNOWN: Meaning(
        "Records wait, and nobody knows whether the group has members.",
        "the group could not be described",
        "give the account DESCRIBE on the group, or write `require_members: false`",
        Severity.UNKNOWN,
        retryable=True,
    ),
    Code.NOT_READY: Meaning(
        "A broker is about to take over, and does not answer yet.",
        "`COORDINATOR_LOAD_IN_PROGRESS`, `NOT_COORDINATOR`, `NOT_LEADER_FOR_PARTITION` and others of their kind",
        "try again in some seconds",
        Severity.UNKNOWN,
        sees="both",
        retryable=True,
    ),
    Code.UNREACHABLE: Meaning(
        "No broker answers.",
        "`_TRANSPORT`, `_TIMED_OUT`, `_ALL_BROKERS_DOWN`, `_RESOLVE`, `BASTION_UNREACHABLE`",
        "check `bootstrap.servers` of the connection, and the way there: DNS, firewall, tunnel",
        Severity.UNKNOWN,
        sees="both",
        retryable=True,
    ),
    Code.DENIED: Meaning(
        "The account may not see the group or a topic.",
        "`GROUP_AUTHORIZATION_FAILED`, `TOPIC_AUTHORIZATION_FAILED`, `CLUSTER_AUTHORIZATION_FAILED`",
        "give the account DESCRIBE on the group and on the topic",
        Severity.UNKNOWN,
        sees="both",
    ),
    Code.UNAUTHENTICATED: Meaning(
        "The brokers do not let the account in.",
        "`_AUTHENTICATION`, `SASL_AUTHENTICATION_FAILED`, `_SSL`, `BASTION_REFUSED`",
        "check user, password, mechanism and certificates of the connection; those of the SSH connection, and its host_key, with a bastion",
        Severity.UNKNOWN,
        sees="both",
    ),
    Code.PROBE_CRASHED: Meaning(
        "The process that asks Kafka died.",
        "its exit code or signal",
        "try again; a crash that comes back is worth a report",
        Severity.UNKNOWN,
        sees="both",
        retryable=True,
    ),
    Code.PROBE_TIMEOUT: Meaning(
        "The process that asks Kafka did not end in time, and was killed.",
        "`timeout` is over",
        "look at the brokers; raise `timeout` for many partitions or a slow way",
        Severity.UNKNOWN,
        sees="both",
        retryable=True,
    ),
    Code.PROBE_GARBAGE: Meaning(
        "The process that asks Kafka gave no answer that can be read.",
        "no JSON, or not the document of this version",
        "look for another version of airflow-dataops on the worker; try again",
        Severity.UNKNOWN,
        sees="both",
        retryable=True,
    ),
    Code.PROBE_SETTINGS: Meaning(
        "The connection holds settings that no Kafka client takes.",
        "`bootstrap.servers` is missing, or librdkafka refuses a name or a value",
        "mend the setting that the message names, in the connection's extra",
        Severity.UNKNOWN,
        sees="both",
    ),
    Code.PROBE_NOT_INSTALLED: Meaning(
        "The worker cannot ask Kafka: the client library is missing.",
        "`import confluent_kafka` fails",
        "pip install 'airflow-dataops[kafka]' where the task runs, and where its trigger does",
        Severity.UNKNOWN,
        sees="both",
    ),
}

CODES: dict[Code, Meaning] = TRENDS | STATES | UNKNOWNS

__all__ = ["CODES", "Code", "Meaning", "Severity", "rank", "worst"]
