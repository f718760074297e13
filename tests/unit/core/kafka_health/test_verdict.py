# SPDX-License-Identifier: Apache-2.0
"""From looks to verdicts: what is found, how bad it is, and what is never found."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.kafka_health.burrow import WindowStatus
from airflow_dataops.core.kafka_health.codes import CODES, Code, Severity
from airflow_dataops.core.kafka_health.snapshot import ReadError, TopicView, unread
from airflow_dataops.core.kafka_health.window_document import dump, load
from tests.unit.core.kafka_health.samples import (
    GROUP,
    MINUTE,
    START,
    TOPIC,
    Watch,
    burrow_of,
    check_of,
    codes_of,
    snapshot_of,
    trace,
    view,
)

MISSING = TopicView(name=TOPIC, error=ReadError(code="UNKNOWN_TOPIC_OR_PART"))
DENIED = ReadError(code="TOPIC_AUTHORIZATION_FAILED", message="Broker: Topic authorization failed")


@pytest.mark.parametrize("check", [check_of(), burrow_of()])
def test_a_consumer_that_keeps_up_is_well(check: Any) -> None:
    verdict = Watch(check).follow(trace([(90, 100), (190, 199), (290, 300), (400, 400)]))
    assert (verdict.severity, verdict.status, verdict.total_lag) == (Severity.OK, WindowStatus.OK, 0)
    assert not verdict.changed


def test_no_progress_with_members_is_stalled_and_without_them_stopped() -> None:
    still = [(10, 20), (10, 30), (10, 40)]
    for check in (check_of(), burrow_of()):
        stalled = Watch(check).follow(trace(still))
        assert (codes_of(stalled), stalled.status) == ({Code.STALLED}, WindowStatus.ERR)
        stopped = Watch(check).follow(trace(still, state="Empty"))
        assert Code.STOPPED in codes_of(stopped)
        assert stopped.partitions[0].status is WindowStatus.STOP
        assert stopped.severity is Severity.CRITICAL


def test_who_is_slow_is_warned() -> None:
    verdict = Watch(check_of()).follow(trace([(10, 20), (20, 31), (30, 42)]))
    assert (codes_of(verdict), verdict.severity, verdict.status) == ({Code.SLOW}, Severity.WARNING, WindowStatus.WARN)


def test_a_rebalance_is_tolerated_for_some_looks_and_what_is_certain_is_told() -> None:
    watch = Watch(check_of(rebalance_looks=2, lag={"warning": 25}))
    looks = trace([(10, 20), (10, 30), (10, 40), (10, 50)], state="PreparingRebalance")
    assert [codes_of(watch.look(one)) for one in looks] == [
        set(),
        set(),
        {Code.STALLED, Code.REBALANCING, Code.LAG_EXCEEDED},
        {Code.STALLED, Code.REBALANCING, Code.LAG_EXCEEDED},
    ]
    lost = Watch(check_of()).look(snapshot_of(view(10, 50, log_start=20), state="PreparingRebalance"))
    assert codes_of(lost) == {Code.DATA_LOST}


REBALANCE = "PreparingRebalance"


def test_a_commit_that_goes_on_in_a_rebalance_is_progress() -> None:
    looks = [*trace([(10, 90), (10, 91)]), snapshot_of(view(50, 92), minute=2, state=REBALANCE)]
    for check in (check_of(), burrow_of()):
        found = [codes_of(one) for one in map(Watch(check).look, looks)]
        assert found == [set(), {Code.STALLED}, set()]


def test_a_commit_that_goes_back_in_a_rebalance_counts_when_the_group_is_at_rest() -> None:
    looks = [
        *trace([(10, 30), (20, 39)]),
        snapshot_of(view(15, 40), minute=2, state=REBALANCE),
        snapshot_of(view(15, 41), minute=3),
    ]
    assert [codes_of(one) for one in map(Watch(check_of()).look, looks)] == [set(), set(), set(), {Code.REWOUND}]


def test_what_was_found_before_a_rebalance_is_still_found_in_it() -> None:
    looks = [*trace([(10, 30), (10, 40), (10, 50)]), snapshot_of(view(10, 60), minute=3, state=REBALANCE)]
    assert codes_of(Watch(check_of()).follow(looks)) == {Code.STALLED}


def test_the_time_of_a_rebalance_is_no_time_without_a_commit() -> None:
    looks = [
        *trace([(10, 30), (20, 39)]),
        *(snapshot_of(view(20, 39 + n), minute=n, state=REBALANCE) for n in (2, 3, 4)),
    ]
    for check in (check_of(), burrow_of()):
        assert codes_of(Watch(check).follow(looks)) == set()


def test_in_a_rebalance_nobody_has_to_read_a_partition() -> None:
    nobody = {"members": snapshot_of(view(partition=9)).members}
    assert codes_of(Watch(check_of()).look(snapshot_of(view(10, 20), state=REBALANCE, **nobody))) == set()
    assert codes_of(Watch(check_of()).look(snapshot_of(view(10, 20), **nobody))) == {Code.UNASSIGNED}


def test_who_has_read_all_may_be_in_a_rebalance_for_ever() -> None:
    assert Watch(check_of()).follow(trace([(10, 10)] * 12, state=REBALANCE)).severity is Severity.OK


def test_a_group_that_has_left_is_not_told_to_have_members() -> None:
    looks = [*trace([(10, 10), (10, 20), (10, 30), (10, 40)]), snapshot_of(view(10, 50), minute=4, state="Empty")]
    watch = Watch(check_of())
    found = [codes_of(watch.look(one)) for one in looks]
    assert found[-2:] == [{Code.STALLED}, {Code.NO_MEMBERS}]


def test_rebalances_now_and_then_add_up() -> None:
    watch = Watch(check_of(rebalance_looks=2))
    states = ["Stable", "PreparingRebalance"] * 3
    found = [
        watch.look(snapshot_of(view(10 * n, 10 * n + 9 - n), minute=n, state=state)) for n, state in enumerate(states)
    ]
    assert [Code.REBALANCING in codes_of(one) for one in found] == [False] * 5 + [True]


def test_a_rebalance_of_kip_848_is_one() -> None:
    watch = Watch(check_of())
    for n in range(3):
        assert watch.look(snapshot_of(view(10, 20 + n), minute=n, state="Unknown")).severity is Severity.OK


def test_phantom_lag_is_no_lag() -> None:
    watch = Watch(check_of(delay={"warning": "1m"}))
    looks = [
        snapshot_of(view(5, 6, next_offset=-1), minute=0),
        *(snapshot_of(view(5, 6), minute=n) for n in range(1, 6)),
    ]
    for snapshot in looks:
        verdict = watch.look(snapshot)
        assert (verdict.severity, verdict.total_lag) == (Severity.OK, 0)
    come = [watch.look(snapshot_of(view(5, 9 + n), minute=n)) for n in range(6, 10)]
    assert come[-1].severity is Severity.CRITICAL
    assert come[0].total_lag == 9


def test_a_compacted_topic_with_gaps_is_judged_by_what_can_be_read() -> None:
    views = [view(5, 90, next_offset=80, next_at_ms=START + n * MINUTE) for n in range(3)]
    verdict = Watch(check_of(lag={"warning": 10}, delay={"warning": "1m"})).follow(
        snapshot_of(one, minute=n) for n, one in enumerate(views)
    )
    assert verdict.partitions[0].facts.waiting == 10
    assert Code.LAG_EXCEEDED not in codes_of(verdict)
    assert Code.DELAY_EXCEEDED not in codes_of(verdict)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"next_at_ms": START - 6 * MINUTE}, {Code.DELAY_EXCEEDED}),
        ({"next_at_ms": START - 5 * MINUTE}, set()),
        ({"next_at_ms": START, "younger": {300_000: -1}}, set()),  # its own timestamp counts first
        ({"younger": {300_000: -1}}, {Code.DELAY_EXCEEDED}),
        ({"younger": {300_000: 11}}, {Code.DELAY_EXCEEDED}),
        ({"younger": {300_000: 10}}, set()),
        ({"younger": {300_000: 3}}, set()),
        ({"younger": {300_000: -1001}}, {Code.DELAY_UNKNOWN}),
        ({"younger": {60_000: -1}}, {Code.DELAY_UNKNOWN}),  # of another age
        ({"end_at_ms": START - 6 * MINUTE}, {Code.DELAY_EXCEEDED}),
        ({"end_at_ms": START}, {Code.DELAY_UNKNOWN}),
        ({}, {Code.DELAY_UNKNOWN}),
        ({"committed": 20}, set()),
        ({"next_offset": -1}, set()),
    ],
)
def test_how_long_a_record_waits(changes: dict[str, Any], found: set[Code]) -> None:
    check = check_of(delay={"warning": "5m"})
    assert check.ages_ms == (300_000,)
    assert codes_of(Watch(check).look(snapshot_of(view(**{"committed": 10, "end": 20, **changes})))) == found


def test_what_is_late_may_be_later_still() -> None:
    check = check_of(delay={"warning": "5m", "critical": "1h"})
    verdict = Watch(check).look(snapshot_of(view(10, 20, younger={300_000: -1})))
    assert codes_of(verdict) == {Code.DELAY_EXCEEDED, Code.DELAY_UNKNOWN}
    assert verdict.severity is Severity.UNKNOWN
    both = Watch(check).look(snapshot_of(view(10, 20, younger={300_000: -1, 3_600_000: 10})))
    assert (codes_of(both), both.severity) == ({Code.DELAY_EXCEEDED}, Severity.WARNING)


def test_all_that_waits_is_added_up_what_may_wait_included() -> None:
    looked = snapshot_of(*(view(0, 9, number) for number in range(10)))
    check = check_of(allowed_lag=9, total_lag={"warning": 89})
    assert codes_of(Watch(check).look(looked)) == {Code.TOTAL_LAG_EXCEEDED}


def test_without_timestamps_looks_tell_how_long_a_record_waits() -> None:
    watch = Watch(check_of(delay={"warning": "2m", "critical": "4m"}))
    looks = trace([(10, 10), (10, 20), (11, 19 + 2), (12, 22), (13, 23), (14, 24), (15, 24)])
    found = [
        {one.severity for one in watch.look(look).all_findings if one.code is Code.DELAY_EXCEEDED} for look in looks
    ]
    assert found == [set(), set(), set(), set(), {Severity.WARNING}, {Severity.WARNING}, {Severity.CRITICAL}]
    assert Code.DELAY_UNKNOWN not in {code for one in watch.verdicts for code in codes_of(one)}


@pytest.mark.parametrize("error", ["_TRANSPORT", "PROBE_CRASHED", "PROBE_TIMEOUT", "_AUTHENTICATION", "NotYetInvented"])
def test_a_look_that_saw_nothing_is_unknown_and_leaves_the_window(error: str) -> None:
    for check in (check_of(), burrow_of()):
        watch = Watch(check)
        watch.follow(trace([(10, 20), (10, 30)]))
        before = watch.window
        verdict = watch.look(unread(GROUP, START + 9 * MINUTE, error, "why"))
        assert (verdict.severity, verdict.total_lag, verdict.status) == (Severity.UNKNOWN, None, None)
        assert verdict.retryable == (error != "_AUTHENTICATION")
        assert "why" in verdict.findings[0].message
        assert before is not None
        assert watch.window is not None
        assert watch.window.partitions == before.partitions


def test_an_answer_in_part_is_unknown_unless_something_is_certainly_bad() -> None:
    part = Watch(check_of()).look(snapshot_of(view(9, 9), view(9, -1001, 1), view(9, None, 2, error=DENIED)))
    assert (part.severity, part.total_lag, part.retryable) == (Severity.UNKNOWN, None, False)
    assert codes_of(part) == {Code.OFFSETS_UNKNOWN, Code.DENIED}
    assert Watch(check_of()).look(snapshot_of(view(9, 9), view(9, -1001, 1))).retryable
    bad = Watch(check_of()).look(snapshot_of(view(9, 50, log_start=20), view(9, -1001, 1)))
    assert (bad.severity, bad.retryable) == (Severity.CRITICAL, False)


def test_a_topic_that_is_hidden_is_not_known_to_be_missing() -> None:
    verdict = Watch(check_of(topics=[TOPIC, "clicks"])).look(snapshot_of(view(9, 9)))
    assert codes_of(verdict) == {Code.OFFSETS_UNKNOWN}
    denied = snapshot_of(view(9, 9), topics=(TopicView(name="clicks", error=DENIED),))
    assert codes_of(Watch(check_of(topics=[TOPIC, "clicks"])).look(denied)) == {Code.DENIED}


def test_a_topic_that_is_missing_is_told_once_and_not_by_partition() -> None:
    gone = snapshot_of(view(9, None, 0), view(9, None, 1), topics=(MISSING,))
    verdict = Watch(check_of(topics=[TOPIC])).look(gone)
    assert verdict.counts == {Code.TOPIC_MISSING: 1}
    assert verdict.severity is Severity.CRITICAL


@pytest.mark.parametrize("check", [check_of(), burrow_of()])
def test_a_group_that_is_not_there(check: Any) -> None:
    assert codes_of(Watch(check).look(snapshot_of(state="Dead"))) == {Code.GROUP_MISSING}
    assert codes_of(Watch(check).look(snapshot_of(state="Empty"))) == {Code.NOTHING_SEEN}
    yet_to_come = type(check).model_validate({**check.model_dump(exclude_unset=True), "require_commits": False})
    assert Watch(yet_to_come).look(snapshot_of(view(-1, 9), state="Dead")).severity is Severity.OK


def test_no_commit_is_worse_where_records_come_in() -> None:
    watch = Watch(check_of())
    found = [watch.look(snapshot_of(view(-1, end), minute=n)).severity for n, end in enumerate([9, 9, 12])]
    assert found == [Severity.WARNING, Severity.WARNING, Severity.CRITICAL]
    assert Watch(check_of()).look(snapshot_of(view(-1, 9, log_start=9))).severity is Severity.OK
    assert codes_of(Watch(check_of()).look(snapshot_of(view(-1, 9, log_start=None)))) == {Code.OFFSETS_UNKNOWN}
    assert Watch(check_of(require_commits=False)).look(snapshot_of(view(-1, 9))).severity is Severity.OK


def test_a_group_that_reads_now_and_then_may_have_no_members() -> None:
    check = check_of(require_members=False, delay={"warning": "5m"})
    watch = Watch(check)
    found = [
        watch.look(snapshot_of(view(10, 10 + n, next_at_ms=START), minute=n, state="Empty")).severity
        for n in range(1, 9)
    ]
    assert found == [Severity.OK] * 5 + [Severity.WARNING] * 3
    assert codes_of(watch.verdicts[-1]) == {Code.DELAY_EXCEEDED}


def test_a_group_that_cannot_be_described_is_unknown_only_where_it_matters() -> None:
    hidden = {"members": None, "state": "Unknown"}
    assert Watch(check_of()).look(snapshot_of(view(9, 9), **hidden)).severity is Severity.OK
    assert codes_of(Watch(check_of()).look(snapshot_of(view(8, 9), **hidden))) == {Code.STATE_UNKNOWN}
    assert Watch(check_of(require_members=False)).look(snapshot_of(view(8, 9), **hidden)).severity is Severity.OK
    denied = {**hidden, "state_error": {"code": "GROUP_AUTHORIZATION_FAILED"}}
    assert codes_of(Watch(check_of()).look(snapshot_of(view(8, 9), **denied))) == {Code.DENIED}
    assert Watch(burrow_of()).look(snapshot_of(view(8, 9), **denied)).severity is Severity.OK


def test_the_start_of_the_log_is_needed_to_know_of_losses() -> None:
    assert codes_of(Watch(check_of()).look(snapshot_of(view(8, 9, log_start=-1001)))) == {Code.OFFSETS_UNKNOWN}
    assert Watch(check_of()).look(snapshot_of(view(9, 9, log_start=None))).severity is Severity.OK


def test_a_newer_epoch_is_a_hint_only_while_records_wait() -> None:
    newer = {"committed_epoch": 7, "leader_epoch": 3}
    verdict = Watch(check_of()).look(snapshot_of(view(8, 9, **newer)))
    assert (codes_of(verdict), verdict.severity) == ({Code.LOG_REPLACED}, Severity.WARNING)
    assert Watch(check_of()).look(snapshot_of(view(9, 9, **newer))).severity is Severity.OK


def test_a_topic_that_is_not_looked_at_any_more_is_not_missed() -> None:
    watch = Watch(check_of())
    watch.look(snapshot_of(view(1, 1), view(1, 1, topic="old")))
    watch.check = check_of(exclude_topics=["old"])
    assert watch.look(snapshot_of(view(1, 1), minute=1)).severity is Severity.OK


def test_a_window_that_was_kept_goes_on() -> None:
    looks = trace([(10, 20), (10, 30), (10, 40), (20, 60)])
    at_once, in_runs = Watch(check_of()), Watch(check_of())
    for look in looks:
        in_runs.window = load(dump(in_runs.window)) if in_runs.window else None
        assert at_once.look(look) == in_runs.look(look)
    assert [one.changed for one in at_once.verdicts] == [False, True, False, True]
    assert [one.before for one in at_once.verdicts] == [None, "ok", "critical", "critical"]


def test_the_worst_partitions_come_first() -> None:
    views = [view(0, 5, 0), view(9, 9, 1), view(0, 70, 2), view(3, 60, 3, log_start=10), view(4, -1001, 4)]
    verdict = Watch(check_of(lag={"warning": 6})).look(snapshot_of(*views))
    assert [part.facts.partition for part in verdict.partitions] == [3, 4, 2, 0, 1]
    assert [one.code for one in verdict.all_findings][:2] == [Code.DATA_LOST, Code.OFFSETS_UNKNOWN]


def test_every_code_has_a_meaning_and_hints_that_can_be_typed() -> None:
    assert set(CODES) == set(Code)
    assert list(CODES) == list(Code)
    for code, meaning in CODES.items():
        assert meaning.hint
        assert not meaning.hint.endswith("."), code
        assert meaning.severity is not Severity.OK
        assert not meaning.retryable or meaning.severity is Severity.UNKNOWN, code
