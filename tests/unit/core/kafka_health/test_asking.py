# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from airflow_dataops.core.kafka_health.asking import GroupAsk, ask_of, read_ask, topics_of, worst_waiting
from tests.unit.core.kafka_health.samples import check_of

WAITING = {("t", 0): 9, ("t", 1): 5, ("t", 2): 7, ("t", 3): 0, ("t", 4): -2}


def test_a_check_becomes_an_ask_and_is_the_same_after_a_pipe() -> None:
    check = check_of(
        group="g",
        topics=["a", "b-*"],
        exclude_topics=["b-old"],
        peek=3,
        allowed_lag=4,
        isolation="read_uncommitted",
        delay={"warning": "1m", "critical": "1h"},
    )
    ask = ask_of(check, [("b", 1), ("a", 0)])
    assert ask.ages_ms == (60_000, 3_600_000)
    assert ask.seen == (("a", 0), ("b", 1))
    assert (ask.peek, ask.allowed_lag, ask.isolation, ask.named) == (3, 4, "read_uncommitted", ("a",))
    assert read_ask(json.loads(json.dumps(ask.document()))) == ask
    assert [ask.covers(name) for name in ("a", "b-1", "b-old", "c")] == [
        check.covers(n) for n in ("a", "b-1", "b-old", "c")
    ]


def test_the_partitions_to_look_into_are_first_those_that_nobody_has() -> None:
    assert worst_waiting(GroupAsk("g", peek=2), WAITING) == [("t", 0), ("t", 2)]
    assert worst_waiting(GroupAsk("g", peek=2, seen=(("t", 0),)), WAITING) == [("t", 2), ("t", 1)]
    assert worst_waiting(GroupAsk("g", peek=9, allowed_lag=5), WAITING) == [("t", 0), ("t", 2)]
    assert worst_waiting(GroupAsk("g"), WAITING) == []


def test_without_names_the_topics_are_those_that_the_group_uses() -> None:
    shown = ["a", "b", "b-old", "c"]
    assert topics_of(GroupAsk("g"), shown, ["c", "gone"]) == ["c", "gone"]
    assert topics_of(GroupAsk("g", exclude_topics=("c",)), shown, ["c", "b"]) == ["b"]


def test_a_name_is_told_of_and_a_pattern_only_finds() -> None:
    ask = GroupAsk("g", topics=("missing", "b*", "x*"), exclude_topics=("*-old",))
    assert topics_of(ask, ["a", "b", "b-old"], ["a"]) == ["b", "missing"]
