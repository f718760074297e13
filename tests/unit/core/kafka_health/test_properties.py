# SPDX-License-Identifier: Apache-2.0
"""Whatever is read: what is bad is found in the end, what is well is not, and nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase as Hunting
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from airflow_dataops.core.kafka_health import facts, partitions, verdict
from airflow_dataops.core.kafka_health.check import HealthCheck
from airflow_dataops.core.kafka_health.codes import Code, Severity, rank
from airflow_dataops.core.kafka_health.outcome import outcome_of
from airflow_dataops.core.kafka_health.report import alert_line, document_of, lines_of, metrics_of
from airflow_dataops.core.kafka_health.snapshot import (
    GroupSnapshot,
    MemberView,
    PartitionView,
    ReadError,
    TopicView,
    read_snapshot,
)
from airflow_dataops.core.kafka_health.verdict import judge
from airflow_dataops.core.kafka_health.window import Window
from airflow_dataops.core.kafka_health.window_document import dump, load
from tests.unit.core.kafka_health.samples import GROUP, MINUTE, START, Watch, burrow_of, check_of, snapshot_of, view

offsets = st.none() | st.sampled_from([-1001, -1, 0, 1, 2, 3, 5, 9, 2**63 - 1])
moments = st.none() | st.sampled_from([-1, 0, START - 10 * MINUTE, START, START + MINUTE, 2**63])
errors = (
    st.none() | st.none() | st.builds(ReadError, code=st.sampled_from(["_TIMED_OUT", "UNKNOWN_TOPIC_OR_PART", "x"]))
)
topics = st.sampled_from(["a", "b", "c"])
states = st.sampled_from(["Stable", "Empty", "Dead", "PreparingRebalance", "Unknown", "?"])
views = st.builds(
    PartitionView,
    topic=topics,
    partition=st.integers(0, 2),
    committed=offsets,
    committed_epoch=offsets,
    log_start=offsets,
    high_watermark=offsets,
    last_stable=offsets,
    leader_epoch=offsets,
    next_offset=offsets,
    next_at_ms=moments,
    end_at_ms=moments,
    younger=st.dictionaries(st.sampled_from([300_000, 60_000]), st.integers(-2, 9), max_size=2),
    error=errors,
)
snapshots = st.builds(
    GroupSnapshot,
    group=st.just(GROUP),
    taken_at_ms=st.sampled_from([START, START + 1, START + MINUTE, START + 9 * MINUTE, -5, 2**62]),
    state=states,
    state_error=errors,
    members=st.none()
    | st.lists(
        st.builds(MemberView, member_id=st.just("m"), assigned=st.dictionaries(topics, st.just((0, 1)), max_size=2)),
        max_size=2,
    ),
    topics=st.lists(
        st.builds(TopicView, name=topics, topic_id=st.none() | st.sampled_from("xy"), error=errors),
        max_size=3,
        unique_by=lambda one: one.name,
    ),
    partitions=st.lists(views, max_size=4, unique_by=lambda one: (one.topic, one.partition)),
    error=errors,
)
checks = st.sampled_from(
    [
        check_of(),
        burrow_of(),
        check_of(topics=["a", "b*"], delay={"warning": "1m", "critical": "5m"}, lag={"warning": 1, "critical": 3}),
        check_of(isolation="read_uncommitted", total_lag={"critical": 2}, require_members=False, allowed_lag=1),
        burrow_of(topics=["a"], exclude_topics=["c"], require_commits=False, window=3, rebalance_looks=1),
    ]
)


@settings(max_examples=60)
@given(checks, st.lists(snapshots, min_size=1, max_size=4), st.sampled_from(["fail", "warn", "skip"]))
def test_no_look_breaks_it_and_what_is_unknown_is_never_well(
    check: HealthCheck, looks: list[GroupSnapshot], on_unknown: Any
) -> None:
    seen: Window | None = None
    for look in looks:
        found, seen = judge(check, look, seen)
        for part in found.partitions:
            if part.facts.unknown is not None:
                assert part.facts.lag is None
                assert part.facts.waiting is None
                assert part.severity is Severity.UNKNOWN
                assert found.severity in (Severity.UNKNOWN, Severity.CRITICAL)
                assert found.total_lag is None
        if look.error is not None:
            assert found.severity is Severity.UNKNOWN
        assert load(json.loads(json.dumps(dump(seen)))) == seen
        assert all(
            len(one.samples) <= check.window and len(one.ends) <= check.window for one in seen.partitions.values()
        )
        json.dumps(document_of(found))
        assert lines_of(found)
        assert metrics_of(found, {}, by_partition=True)
        assert alert_line(found)
        assert outcome_of(found, on_unknown).event == found.changed


@settings(max_examples=40)
@given(checks, st.integers(0, 9), st.none() | st.integers(-1001, -1), states)
def test_an_end_that_is_not_known_is_never_well(
    check: HealthCheck, committed: int, end: int | None, state: str
) -> None:
    found, _ = judge(check, snapshot_of(view(committed, end, topic="a"), state=state))
    assert found.severity is Severity.UNKNOWN
    assert found.total_lag is None


@settings(max_examples=60)
@given(checks, st.lists(snapshots, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_the_order_of_partitions_says_nothing(check: HealthCheck, looks: list[GroupSnapshot], luck: Any) -> None:
    one: Window | None = None
    other: Window | None = None
    for look in looks:
        changes = {
            name: luck.sample(getattr(look, name), len(getattr(look, name))) for name in ("partitions", "topics")
        }
        mixed = GroupSnapshot.model_validate({**look.__dict__, **changes})
        found, one = judge(check, look, one)
        again, other = judge(check, mixed, other)
        assert found == again
        assert dump(one) == dump(other)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*GroupSnapshot.model_fields, *PartitionView.model_fields]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(checks, json_values, st.sampled_from(list(GroupSnapshot.model_fields)))
def test_no_answer_breaks_it(check: HealthCheck, answer: Any, key: str) -> None:
    whole = snapshot_of(view(1, 2, topic="a")).model_dump(mode="json")
    for document in (answer, {**whole, key: answer}, {**whole, "partitions": [answer]}):
        snapshot = read_snapshot(GROUP, START, document)
        found, _ = judge(check, snapshot)
        assert snapshot.error is None or found.severity is Severity.UNKNOWN


some_states = st.sampled_from(["Stable", "Stable", "Empty", "PreparingRebalance", "Unknown"])


@settings(max_examples=60)
@given(
    st.sampled_from(["strict", "burrow"]),
    st.lists(st.tuples(some_states, st.integers(1, 5), st.booleans()), max_size=12),
    some_states,
    st.integers(0, 50),
    st.integers(0, 3),
)
def test_a_lag_that_rises_without_commits_ends_in_a_finding(
    policy: str, history: list[tuple[str, int, bool]], state: str, committed: int, allowed: int
) -> None:
    watch = Watch(check_of(allowed_lag=allowed) if policy == "strict" else burrow_of(allowed_lag=allowed))
    end = committed
    for n, (once, step, missed) in enumerate([*history, *[(state, 1, False)] * 15]):
        end += step
        last = watch.look(snapshot_of(view(committed, -1001 if missed else end), minute=n, state=once))
    assert last.severity is Severity.CRITICAL, last.all_findings
    assert not {Code.SLOW, Code.GROWING} & set(last.counts)


@settings(max_examples=60)
@given(
    checks,
    st.lists(st.tuples(st.integers(0, 5), states, st.booleans()), min_size=1, max_size=12),
    st.booleans(),
    st.sampled_from(
        [{}, {"next_at_ms": 5}, {"younger": {300_000: -1}}, {"end_at_ms": 5}, {"committed_epoch": 9, "leader_epoch": 2}]
    ),
)
def test_a_group_that_has_read_all_is_never_a_finding(
    check: HealthCheck, looks: list[tuple[int, str, bool]], expired: bool, extra: dict[str, Any]
) -> None:
    watch, end = Watch(check), 0
    for n, (step, state, seen) in enumerate(looks):
        end += step
        both = [view(end, end, number, topic="a", log_start=end if expired else 0, **extra) for number in (0, 1)]
        members = {} if seen else {"members": None}
        found = watch.look(snapshot_of(*both, minute=n, state=state, **members, topics=(TopicView(name="a"),)))
        assert (found.severity, found.total_lag) == (Severity.OK, 0), found.all_findings


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_strict_finds_all_that_burrow_finds(pairs: list[tuple[int, int]]) -> None:
    strict, burrow = Watch(check_of()), Watch(burrow_of())
    for n, (committed, end) in enumerate(pairs):
        look = snapshot_of(view(committed, 10 * n + end), minute=n)
        assert rank(strict.look(look).severity) >= rank(burrow.look(look).severity)


# Bugs that each break one of the promises above; a test that does not see them proves nothing.


def zero_for_unknown(offset: int | None) -> int | None:
    return max(0, offset or 0)


def in_the_order_of_the_answer(check: Any, snapshot: Any, seen: Any) -> Any:
    found = {one.key: one for one in facts.facts_in(check, snapshot, seen)}
    return [found[view.topic, view.partition] for view in snapshot.partitions if (view.topic, view.partition) in found][
        :1
    ]


def known_alone(check: Any, snapshot: Any, seen: Any) -> Any:
    return [one for one in facts.facts_in(check, snapshot, seen) if one.unknown is None]


def one_too_many(view: Any, committed: int, end: int, before: int | None) -> int:
    return committed - 1


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], Callable[..., None]]] = {
    "unknown is 0": (
        lambda patch: patch.setattr(facts, "_known", zero_for_unknown),
        test_an_end_that_is_not_known_is_never_well,
    ),
    "trends are not looked at": (
        lambda patch: patch.setattr(partitions.Scene, "looks_at_trends", False),
        test_a_lag_that_rises_without_commits_ends_in_a_finding,
    ),
    "only the first partition that was read counts": (
        lambda patch: patch.setattr(verdict, "facts_in", in_the_order_of_the_answer),
        test_the_order_of_partitions_says_nothing,
    ),
    "a rebalance is tolerated for ever": (
        lambda patch: patch.setattr(verdict, "rests_too_seldom", lambda *_: False),
        test_a_lag_that_rises_without_commits_ends_in_a_finding,
    ),
    "records wait where none do": (
        lambda patch: patch.setattr(facts, "_first", one_too_many),
        test_a_group_that_has_read_all_is_never_a_finding,
    ),
    "what was not read is left out": (
        lambda patch: patch.setattr(verdict, "facts_in", known_alone),
        test_an_end_that_is_not_known_is_never_well,
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, promise = PLANTED[bug]
    plant(monkeypatch)
    body = promise.hypothesis.inner_test  # type: ignore[attr-defined]
    strategies = promise.hypothesis._given_kwargs  # type: ignore[attr-defined]
    once = settings(max_examples=300, database=None, phases=[Hunting.generate], report_multiple_bugs=False)
    for number in range(4):
        try:
            seed(number)(once(given(**strategies)(body)))()
        except AssertionError:
            return
    pytest.fail("nobody has seen it")
