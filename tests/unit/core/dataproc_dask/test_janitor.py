# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.janitor import Activity, JanitorPolicy, Verdict, sweep
from airflow_dataops.core.dataproc_dask.observation import ClusterView
from tests.unit.core.dataproc_dask.samples import IDENTITY, NOW

POLICY = JanitorPolicy(instance="prod")
MINUTE = timedelta(minutes=1)
STATES = [
    "UNKNOWN",
    "CREATING",
    "RUNNING",
    "ERROR",
    "ERROR_DUE_TO_UPDATE",
    "DELETING",
    "UPDATING",
    "STOPPING",
    "STOPPED",
    "STARTING",
    "REPAIRING",
]


def view(state: str = "RUNNING", *, minutes: float = 60, expires: float = 60, keep: str | None = None) -> ClusterView:
    labels = names.run_labels(IDENTITY) | {names.EXPIRES: names.moment_label(NOW + expires * MINUTE)}
    if keep is not None:
        labels[names.KEEP] = keep
    since = NOW - minutes * MINUTE
    return ClusterView("dd-x", "uuid", state, labels, since=since, created_at=since)


def idle(minutes: float | None = None, *, active: int = 0) -> Activity:
    ended = None if minutes is None else NOW - minutes * MINUTE
    return Activity(active_jobs=active, last_job_ended=ended)


@pytest.mark.parametrize(
    ("cluster", "activity", "verdict", "delete"),
    [
        (view(), None, Verdict.IN_USE, False),
        (view(), idle(active=1), Verdict.IN_USE, False),
        (view(), idle(5), Verdict.IN_USE, False),
        (view(), idle(31), Verdict.ORPHANED, True),
        (view(), idle(), Verdict.ORPHANED, True),
        (view(minutes=5), idle(), Verdict.IN_USE, False),
        (view(keep="s7200"), idle(31), Verdict.KEPT, False),
        (view(keep="s1200"), idle(31), Verdict.ORPHANED, True),
        (view("ERROR"), None, Verdict.BROKEN, True),
        (view("ERROR", minutes=5), None, Verdict.YOUNG, False),
        (view("STOPPED"), idle(), Verdict.BROKEN, True),
        (view(expires=-1), idle(active=3), Verdict.EXPIRED, True),
        (view("DELETING", expires=-1), None, Verdict.STUCK, True),
        (view("DELETING", minutes=5), None, Verdict.DELETING, False),
    ],
)
def test_a_cluster_is_judged(cluster: ClusterView, activity: Activity | None, verdict: Verdict, delete: bool) -> None:
    (found,) = sweep([cluster], POLICY, NOW, {"uuid": activity} if activity else None)
    assert (found.verdict, found.delete) == (verdict, delete)
    assert found.text


def test_a_cluster_that_never_comes_is_left_alone_until_its_time_is_over_and_no_longer() -> None:
    (found,) = sweep([view("CREATING", minutes=600, expires=1)], POLICY, NOW)
    assert (found.verdict, found.delete) == (Verdict.IN_USE, False)
    assert found.text == "CREATING; its time is over at 2026-11-21 12:01:00 UTC"
    (found,) = sweep([view("CREATING", minutes=1, expires=0)], POLICY, NOW)
    assert (found.verdict, found.delete) == (Verdict.EXPIRED, True)


def test_a_cluster_that_does_not_say_when_it_expires_is_given_a_day() -> None:
    unlabelled = view(minutes=60 * 24)
    del unlabelled.labels[names.EXPIRES]  # type: ignore[attr-defined]
    (found,) = sweep([unlabelled], POLICY, NOW)
    assert found.verdict is Verdict.EXPIRED


def test_a_cluster_without_a_uuid_is_not_deleted() -> None:
    nameless = ClusterView("dd-x", "", "ERROR", view(expires=-1).labels)
    assert [found.delete for found in sweep([nameless], POLICY, NOW)] == [False]


@given(
    st.sampled_from(STATES),
    st.sampled_from([{}, {names.MANAGED_BY: "me"}, {names.INSTANCE: "test"}]),
    st.integers(-100, 100),
    st.integers(0, 10_000),
)
def test_what_this_airflow_did_not_make_is_never_deleted(
    state: str, other: dict[str, str], expires: int, minutes: int
) -> None:
    labels = dict(view(expires=expires).labels) | other if other else {}
    stranger = ClusterView("dd-x", "uuid", state, labels, since=NOW - minutes * MINUTE)
    (found,) = sweep([stranger], POLICY, NOW, {"uuid": idle()})
    assert (found.verdict, found.delete) == (Verdict.FOREIGN, False)


@given(st.sampled_from(STATES), st.integers(1, 1000), st.integers(0, 10_000))
def test_what_is_over_its_time_goes_in_the_end(state: str, over: int, minutes: int) -> None:
    (found,) = sweep([view(state, minutes=minutes, expires=-over)], POLICY, NOW)
    assert found.delete or state == "DELETING"
