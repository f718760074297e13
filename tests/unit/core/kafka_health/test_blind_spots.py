# SPDX-License-Identifier: Apache-2.0
"""What Burrow's rules pass and policy ``strict`` does not: a trace for each blind spot."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest

from airflow_dataops.core.kafka_health.codes import Code, Severity
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, ReadError, TopicView
from airflow_dataops.core.kafka_health.window import Window
from tests.unit.core.kafka_health.literal_burrow import literal_group, literal_status
from tests.unit.core.kafka_health.samples import TOPIC, Watch, burrow_of, check_of, codes_of, snapshot_of, trace, view

GROWTH = (10, 40, 80, 120, 200, 350, 600, 1000, 1700, 3000)


def behind(lags: Iterable[int]) -> list[tuple[int, int]]:
    """Return a partition that gets 5000 records a look, by how many of them wait."""
    return [(end - lag, end) for end, lag in zip(count(5000, 5000), lags, strict=False)]


def dipped(at: int, lag: int) -> list[tuple[int, int]]:
    """Return unlimited growth with one look at which less waited."""
    return behind((*GROWTH[:at], lag, *GROWTH[at + 1 :]))


MISSING = TopicView(name=TOPIC, error=ReadError(code="UNKNOWN_TOPIC_OR_PART"))
AGED = {"younger": {300_000: -1}}
SPOTS: dict[str, tuple[list[GroupSnapshot], dict[str, Any], Code, Severity]] = {
    "a look with nothing to read hides that the commit stands still since": (
        trace([(100, 100), (100, 500), (100, 900), (100, 1300)]),
        {},
        Code.STALLED,
        Severity.CRITICAL,
    ),
    "a look with nothing to read hides unlimited growth": (
        trace(dipped(0, 0)),
        {},
        Code.GROWING,
        Severity.WARNING,
    ),
    "a dip hides unlimited growth": (trace(dipped(6, 5)), {}, Code.GROWING, Severity.WARNING),
    "a lower lag now and then hides unlimited growth": (
        trace(behind([1000, 1100, 1050, 1200, 1150, 1300, 1250, 1400, 1350, 1500])),
        {},
        Code.GROWING,
        Severity.WARNING,
    ),
    "no threshold in records": (
        trace([(0, 90_000), (50_000, 130_000), (70_000, 149_000)]),
        {"lag": {"warning": 10_000, "critical": 50_000}},
        Code.LAG_EXCEEDED,
        Severity.CRITICAL,
    ),
    "no threshold in records of all partitions": (
        [snapshot_of(view(n * 10, n * 10 + 9 - n, 0), view(n * 10, n * 10 + 9 - n, 1), minute=n) for n in range(3)],
        {"total_lag": {"warning": 12}},
        Code.TOTAL_LAG_EXCEEDED,
        Severity.WARNING,
    ),
    "no threshold in time": (
        [snapshot_of(view(n * 10, n * 10 + 9 - n, **AGED), minute=n) for n in range(3)],
        {"delay": {"warning": "5m"}},
        Code.DELAY_EXCEEDED,
        Severity.WARNING,
    ),
    "one commit is no trend, however much waits": (
        trace([(0, 90_000)]),
        {"lag": {"critical": 50_000}},
        Code.LAG_EXCEEDED,
        Severity.CRITICAL,
    ),
    "a partition without a commit is invisible": (
        [snapshot_of(view(n, n, 0), view(-1, 100 * n, 1), minute=n) for n in range(1, 4)],
        {},
        Code.NO_COMMIT,
        Severity.CRITICAL,
    ),
    "a partition that nobody reads": (
        [
            snapshot_of(view(5, 5, 0), view(n, n + 9 - n, 1), minute=n, members=snapshot_of(view(5, 5, 0)).members)
            for n in range(3)
        ],
        {},
        Code.UNASSIGNED,
        Severity.CRITICAL,
    ),
    "no members: until the window has passed all is well": (
        [*trace([(100, 110), (200, 205), (300, 303)]), snapshot_of(view(300, 304), minute=4, state="Empty")],
        {},
        Code.NO_MEMBERS,
        Severity.CRITICAL,
    ),
    "a group that does not come to rest": (
        trace([(n * 10, n * 10 + 20 - n) for n in range(6)], state="PreparingRebalance"),
        {"rebalance_looks": 3},
        Code.REBALANCING,
        Severity.CRITICAL,
    ),
    "a deleted topic": (
        [*trace([(1, 2)]), snapshot_of(minute=1, topics=(MISSING,))],
        {"topics": [TOPIC]},
        Code.TOPIC_MISSING,
        Severity.CRITICAL,
    ),
    "a deleted topic takes the group's commits along": (
        [
            snapshot_of(view(1, 1), view(5, 5, topic="other"), minute=0),
            snapshot_of(view(5, 5, topic="other"), minute=1),
        ],
        {},
        Code.TOPIC_MISSING,
        Severity.WARNING,
    ),
    "records that were deleted before they were read": (
        [snapshot_of(view(10 * n, 200 + 9 * n, log_start=20 * n + 1), minute=n) for n in range(1, 4)],
        {},
        Code.DATA_LOST,
        Severity.CRITICAL,
    ),
    "a commit behind the end of the log": (
        [snapshot_of(view(900, 500, n), minute=n) for n in range(3)],
        {},
        Code.LOG_REPLACED,
        Severity.CRITICAL,
    ),
    "a second drop, once the first is regained": (
        trace([(100, 120), (50, 121), (110, 122), (60, 123), (70, 124)]),
        {},
        Code.REWOUND,
        Severity.CRITICAL,
    ),
    "a stored end excuses a group that has stopped": (
        [
            *trace([(100, 110), (110, 110)]),
            *(snapshot_of(view(110, 110 + n), minute=n, state="Empty") for n in range(2, 6)),
        ],
        {},
        Code.NO_MEMBERS,
        Severity.CRITICAL,
    ),
}


@pytest.mark.parametrize("name", SPOTS)
def test_burrow_passes_what_strict_finds(name: str) -> None:
    snapshots, changes, code, severity = SPOTS[name]
    strict, burrow = Watch(check_of(**changes)), Watch(burrow_of(topics=changes.get("topics", [])))
    found, passed = strict.follow(snapshots), burrow.follow(snapshots)
    assert code in codes_of(found)
    assert {one.severity for one in found.all_findings if one.code is code} == {severity}
    assert passed.severity is Severity.OK, passed.all_findings
    assert burrow.window is not None
    assert by_hand(burrow.window, snapshots[-1]) == "OK"


def by_hand(window: Window, last: GroupSnapshot) -> str:
    """Return what the oracle says of the group at the last look."""
    found = []
    for one in last.partitions:
        seen = window.of((one.topic, one.partition))
        if len(seen.samples) > 1 and one.last_stable is not None and one.committed is not None:
            lag = max(0, one.last_stable - one.committed)
            found.append(literal_status(seen.samples, [end for _, end in seen.ends], lag, last.taken_at_ms, 0))
    return literal_group(found)


def test_growth_is_growth_only_while_it_lasts() -> None:
    watch = Watch(check_of())
    for n, snapshot in enumerate(trace(dipped(6, 5))):
        found = watch.look(snapshot)
        assert (Code.GROWING in codes_of(found)) == (n >= 7), n
    ended = watch.look(snapshot_of(view(54_990, 55_000), minute=10))
    assert ended.severity is Severity.OK


@pytest.mark.parametrize(
    "lags",
    [
        [0, 50, 100, 0, 50, 100, 0, 50, 100, 50],  # a consumer that reads in batches
        [1000, 900, 800, 700, 600, 500, 400, 300, 200, 210],
        [5, 9, 4, 8, 6, 9, 5, 7, 4, 8],
        [10, 20, 30, 40, 50, 5, 4, 3, 2, 1],
    ],
)
def test_what_does_not_grow_is_not_found_to(lags: list[int]) -> None:
    found = Watch(check_of()).follow(trace(behind(lags)))
    assert Code.GROWING not in codes_of(found)


def test_what_may_wait_is_no_growth() -> None:
    changed = dipped(6, 5)
    assert Watch(check_of(allowed_lag=3000)).follow(trace(changed)).severity is Severity.OK
    assert Watch(check_of(allowed_lag=2999)).follow(trace(changed)).severity is Severity.OK  # was allowed until now
    assert Watch(check_of(allowed_lag=200)).follow(trace(changed)).severity is Severity.WARNING
