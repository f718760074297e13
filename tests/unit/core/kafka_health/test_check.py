# SPDX-License-Identifier: Apache-2.0
"""What is asked for: each wrong value is told with what was received, what is valid and what to type."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.kafka_health.check import HealthCheck, faults_of, parse
from tests.unit.core.kafka_health.samples import GROUP


def document(**changes: Any) -> dict[str, Any]:
    return {"group": GROUP, **changes}


def test_a_group_alone_is_a_check() -> None:
    check = parse(document())
    assert (check.policy, check.on_unknown, check.topics, check.window) == ("strict", "fail", (), 10)
    assert check.delay.warning == timedelta(minutes=5)  # the estate's rule on processing lag
    assert check.ages_ms == (300_000,)


def test_all_of_it_is_read_and_written_back() -> None:
    check = parse(
        document(
            topics=["gpu-metadata", "clicks-*"],
            exclude_topics=["*-dlq"],
            isolation="read_uncommitted",
            allowed_lag="1_000",
            lag={"warning": 10_000, "critical": "50000"},
            total_lag={"critical": 10**6},
            delay={"warning": "90s", "critical": "10m"},
            require_members="false",
            require_commits=False,
            rebalance_looks=2,
            on_unknown="warn",
            looks=3,
            interval="1m",
            window=20,
            min_distance=5,
            timeout="45s",
            worst=3,
            peek=0,
        )
    )
    assert check.ages_ms == (90_000, 600_000)
    assert (check.allowed_lag, check.lag.critical, check.require_members) == (1000, 50_000, False)
    assert check.named == ("gpu-metadata",)
    assert [name for name in ("gpu-metadata", "clicks-eu", "clicks-dlq", "other") if check.covers(name)] == [
        "gpu-metadata",
        "clicks-eu",
    ]
    assert parse(check.model_dump(mode="json")) == check


@pytest.mark.parametrize(
    ("path", "changes", "code", "told"),
    [
        ("group", {"group": " "}, "BAD_GROUP", "' '.*1 to 255"),
        ("group", {"group": "g" * 256}, "BAD_GROUP", "1 to 255"),
        ("group", {"group": 7}, "BAD_TEXT", "7 is no text; write a name"),
        ("group", {"group": None}, "BAD_TEXT", "None is no text"),
        ("topics", {"topics": "clicks"}, "BAD_NAMES", r"'clicks' is no list.*write \["),
        ("topics", {"topics": [1]}, "BAD_NAMES", r"\[1\] is no list"),
        ("topics.1", {"topics": ["a", "a b"]}, "BAD_TOPIC", "'a b'.*letters, digits"),
        ("topics.0", {"topics": [""]}, "BAD_TOPIC", "1 to 249"),
        ("exclude_topics.0", {"exclude_topics": ["[a]"]}, "BAD_TOPIC", "letters, digits"),
        ("topics.1", {"topics": ["a", "a"]}, "TOPIC_TWICE", "'a' is there already"),
        ("topics.0", {"topics": ["a-dlq"], "exclude_topics": ["*-dlq"]}, "TOPIC_EXCLUDED", "left out"),
        ("policy", {"policy": "Strict"}, "BAD_WORD", "'Strict' is not one of: strict, burrow; did you mean 'strict'"),
        ("policy", {"policy": 1}, "BAD_WORD", "1 is not one of: strict, burrow; write strict"),
        ("isolation", {"isolation": "read_comitted"}, "BAD_WORD", "did you mean 'read_committed'"),
        ("on_unknown", {"on_unknown": "ignore"}, "BAD_WORD", "'ignore' is not one of: fail, warn, skip; write fail"),
        ("on_unknown", {"on_unknown": None}, "BAD_WORD", "None is not one of"),
        ("allowed_lag", {"allowed_lag": -1}, "BAD_COUNT", "-1 is no number.*whole number from 0 on"),
        ("allowed_lag", {"allowed_lag": 1.5}, "BAD_COUNT", "1.5 is no number"),
        ("allowed_lag", {"allowed_lag": True}, "BAD_COUNT", "True is no number"),
        ("window", {"window": "ten"}, "BAD_COUNT", "'ten' is no number"),
        ("window", {"window": 2**63}, "BAD_COUNT", "is no number"),
        ("require_members", {"require_members": "no"}, "BAD_SWITCH", "'no' is neither.*write true or false"),
        ("interval", {"interval": "soon"}, "BAD_DURATION", "'soon' is no length of time; write 90s"),
        ("delay.warning", {"delay": {"warning": float("nan")}}, "BAD_DURATION", "is no length of time"),
        ("lag.critical", {"lag": {"critical": "lots"}}, "BAD_COUNT", "'lots'"),
        (
            "lag",
            {"lag": {"crit": 5}},
            "UNKNOWN_KEY",
            "'crit' is no key here; known are: warning, critical; did you mean",
        ),
        (
            "",
            {"topic": ["a"]},
            "UNKNOWN_KEY",
            "'topic' is no key here; known are: group, topics.*did you mean 'topics'",
        ),
        ("lag", {"lag": {"warning": 5, "critical": 5}}, "LIMITS_SWAPPED", "warning 5 is not below critical 5"),
        (
            "delay",
            {"delay": {"warning": "9m", "critical": "5m"}},
            "LIMITS_SWAPPED",
            "warning 9m is not below critical 5m",
        ),
        (
            "lag.warning",
            {"lag": {"warning": 5}, "allowed_lag": 6},
            "LIMIT_ALLOWED",
            "5 is below allowed_lag, which is 6",
        ),
        ("delay.critical", {"delay": {"critical": 0}}, "TOO_SHORT", "0s is shorter than 1s"),
        ("window", {"window": 7}, "WINDOW_TOO_SHORT", "7 looks are too few.*8"),
        (
            "window",
            {"window": 1, "policy": "burrow", "rebalance_looks": 0},
            "BAD_WINDOW",
            "1 is not between 2 and 1000",
        ),
        ("window", {"window": 1001}, "BAD_WINDOW", "1001 is not between"),
        ("lag", {"policy": "burrow", "lag": {"warning": 5}}, "UNUSED", "policy burrow does not look at it"),
        ("require_members", {"policy": "burrow", "require_members": False}, "UNUSED", "burrow"),
        ("looks", {"looks": 0}, "BAD_LOOKS", "0 is not between 1 and window, which is 10"),
        ("looks", {"looks": 11}, "BAD_LOOKS", "11 is not between"),
        ("rebalance_looks", {"rebalance_looks": 10}, "BAD_REBALANCE_LOOKS", "10 of 10 looks"),
        ("timeout", {"timeout": 0}, "TOO_SHORT", "0s is shorter than 1s"),
        ("interval", {"interval": 0, "min_distance": 0}, "TOO_SHORT", "0s is shorter than 1s"),
        ("min_distance", {"min_distance": "2m"}, "BAD_DISTANCE", "2m is longer than interval, which is 1m"),
        ("looks", {"looks": 10, "interval": "3h"}, "TOO_LONG", "10 looks may take 1d 3h 5m, longer than 1d"),
        ("worst", {"worst": 0}, "BAD_WORST", "0 is not between 1 and 100"),
        ("worst", {"worst": 101}, "BAD_WORST", "101 is not between"),
    ],
)
def test_what_means_nothing_is_refused(path: str, changes: dict[str, Any], code: str, told: str) -> None:
    faults = faults_of(document(**changes))
    assert [(fault.path, fault.code) for fault in faults] == [(path, code)]
    assert re.search(told, faults[0].message), faults[0].message
    assert faults[0].hint or re.search("write |did you mean", faults[0].message), faults[0]


def test_a_missing_group_is_told() -> None:
    assert [(fault.path, fault.code) for fault in faults_of({})] == [("group", "MISSING")]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse(document(topics=["a b"], worst=0, looks=0))
    assert caught.value.code == "KAFKA_CHECK_INVALID"
    assert [fault["code"] for fault in caught.value.details["faults"]] == ["BAD_TOPIC", "BAD_LOOKS", "BAD_WORST"]
    assert caught.value.hint


def test_a_check_is_itself_again_by_keyword() -> None:
    assert HealthCheck(group=GROUP, window=12) == parse(document(window=12))
