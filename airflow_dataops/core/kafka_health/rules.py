# SPDX-License-Identifier: Apache-2.0
"""What of a well-typed check Kafka would not take, or would mean nothing, found before anybody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.durations import told
from airflow_dataops.core.kafka_health.forms import TOPIC, shown
from airflow_dataops.core.kafka_health.spec import CheckParts
from airflow_dataops.core.kafka_health.trend import GROWTH_LOOKS

LONGEST_WINDOW = 1000
LONGEST_TASK = timedelta(days=1)
_STRICT_ONLY = ("lag", "total_lag", "delay", "require_members")


def broken_rules(check: CheckParts) -> list[Fault]:
    """Return the rules that a well-typed check breaks."""
    return [fault for rule in _RULES for fault in rule(check)]


def _group(check: CheckParts) -> Iterator[Fault]:
    if not check.group.strip() or len(check.group) > 255:
        message = f"{shown(check.group)} is no consumer group: 1 to 255 characters"
        yield Fault("group", "BAD_GROUP", message, "write the consumers' group.id, such as group: edge-worker")


def _topics(check: CheckParts) -> Iterator[Fault]:
    for field in ("topics", "exclude_topics"):
        names: tuple[str, ...] = getattr(check, field)
        for position, name in enumerate(names):
            path = f"{field}.{position}"
            if TOPIC.fullmatch(name) is None:
                message = f"{shown(name)}: 1 to 249 of letters, digits, ., _ and -; * and ? stand for any others"
                yield Fault(path, "BAD_TOPIC", message, "write a topic's name, or a pattern such as 'clicks-*'")
            elif name in names[:position]:
                yield Fault(path, "TOPIC_TWICE", f"{shown(name)} is there already", "remove one of the two")
    for position, name in enumerate(check.topics):
        if name in check.named and not check.covers(name):
            message = f"{shown(name)} is left out by exclude_topics"
            yield Fault(f"topics.{position}", "TOPIC_EXCLUDED", message, "remove it from one of the two")


def _limits(check: CheckParts) -> Iterator[Fault]:
    for field in ("lag", "total_lag", "delay"):
        limits = getattr(check, field)
        low, high = limits.warning, limits.critical
        if low is not None and high is not None and low >= high:
            shown_low, shown_high = (told(one) if isinstance(one, timedelta) else one for one in (low, high))
            message = f"warning {shown_low} is not below critical {shown_high}"
            yield Fault(field, "LIMITS_SWAPPED", message, "write a lower warning, or leave one of the two out")
    for name in ("warning", "critical"):
        limit: int | None = getattr(check.lag, name)
        if limit is not None and limit < check.allowed_lag:
            message = f"{limit} is below allowed_lag, which is {check.allowed_lag}"
            yield Fault(f"lag.{name}", "LIMIT_ALLOWED", message, f"write {check.allowed_lag} or more")
        age: timedelta | None = getattr(check.delay, name)
        if age is not None and age < timedelta(seconds=1):
            yield Fault(f"delay.{name}", "TOO_SHORT", f"{age.total_seconds():g}s is shorter than 1s", "write 5m")


def _policy(check: CheckParts) -> Iterator[Fault]:
    if check.strict and check.window < GROWTH_LOOKS:
        message = f"{check.window} looks are too few to see growth behind dips, which takes {GROWTH_LOOKS}"
        hint = f"write window: {GROWTH_LOOKS} or more, or policy: burrow"
        yield Fault("window", "WINDOW_TOO_SHORT", message, hint)
    if not check.strict:
        for field in sorted(check.model_fields_set.intersection(_STRICT_ONLY)):
            message = "policy burrow does not look at it"
            yield Fault(field, "UNUSED", message, "remove it, or write policy: strict")


def _looks(check: CheckParts) -> Iterator[Fault]:
    if not 2 <= check.window <= LONGEST_WINDOW:
        message = f"{check.window} is not between 2 and {LONGEST_WINDOW} looks"
        yield Fault("window", "BAD_WINDOW", message, "write window: 10")
    if not 1 <= check.looks <= check.window:
        message = f"{check.looks} is not between 1 and window, which is {check.window}"
        yield Fault("looks", "BAD_LOOKS", message, "write looks: 1, and let the window grow from run to run")
    if check.rebalance_looks >= check.window:
        message = f"{check.rebalance_looks} of {check.window} looks in a rebalance would always be allowed"
        yield Fault("rebalance_looks", "BAD_REBALANCE_LOOKS", message, "write rebalance_looks: 3")
    for field in ("interval", "timeout"):
        length: timedelta = getattr(check, field)
        if length < timedelta(seconds=1):
            message = f"{length.total_seconds():g}s is shorter than 1s"
            yield Fault(field, "TOO_SHORT", message, f"write {field}: 30s")
    if check.min_distance > check.interval:
        message = f"{told(check.min_distance)} is longer than interval, which is {told(check.interval)}: all looks would count as one"
        yield Fault("min_distance", "BAD_DISTANCE", message, f"write {told(check.interval)} or less")
    whole = check.looks * check.timeout + (check.looks - 1) * check.interval if check.looks else timedelta()
    if check.looks <= check.window <= LONGEST_WINDOW and whole > LONGEST_TASK:
        message = f"{check.looks} looks may take {told(whole)}, longer than {told(LONGEST_TASK)}"
        yield Fault("looks", "TOO_LONG", message, "write fewer looks, and let the window grow from run to run")


def _told(check: CheckParts) -> Iterator[Fault]:
    if not 1 <= check.worst <= 100:
        message = f"{check.worst} is not between 1 and 100 partitions"
        yield Fault("worst", "BAD_WORST", message, "write worst: 10")


_RULES: tuple[Callable[[CheckParts], Iterator[Fault]], ...] = (_group, _topics, _limits, _looks, _policy, _told)
