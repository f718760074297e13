# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.janitor import Candidate, JanitorPolicy, sweep
from tests.unit.core.spark_k8s.samples import IDENTITY, parts

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
POLICY = JanitorPolicy(instance=IDENTITY.instance)


def driver(stage: Stage = Stage.RUNS, age: timedelta = HOUR, ended: timedelta | None = None, **more: Any) -> Candidate:
    run = parts("policy", {"start_timeout": "10m", "run_timeout": "2h", "keep_failed_for": "3h"})
    given = {
        "kind": "pods",
        "group": "v1",
        "name": "d-a1",
        "uid": "u",
        "labels": names.labels_of(run, IDENTITY, 1),
        "annotations": names.annotations_of(run, IDENTITY),
        "stage": stage,
        "created_at": NOW - age,
        "ended_at": None if ended is None else NOW - ended,
    }
    return Candidate.model_validate(given | more)


def verdict(one: Candidate, policy: JanitorPolicy = POLICY) -> tuple[str, bool]:
    [found] = sweep([one], policy, NOW)
    return found.verdict.value, found.delete


@pytest.mark.parametrize("stage", [Stage.WAITS, Stage.RUNS])
def test_what_has_not_ended_is_left_for_its_runs_time_and_a_grace(stage: Stage) -> None:
    assert verdict(driver(stage, 2 * HOUR + 24 * MINUTE)) == ("IN_USE", False)
    assert verdict(driver(stage, 2 * HOUR + 25 * MINUTE)) == ("ORPHANED", True)


def test_what_does_not_say_how_long_it_may_take_is_left_for_a_week() -> None:
    assert verdict(driver(age=timedelta(days=7), annotations={})) == ("IN_USE", False)
    assert verdict(driver(age=timedelta(days=8), annotations={})) == ("ORPHANED", True)


@pytest.mark.parametrize(
    ("ended", "annotations", "found"),
    [
        (179 * MINUTE, None, ("KEPT", False)),
        (180 * MINUTE, None, ("EXPIRED", True)),
        (59 * MINUTE, {}, ("KEPT", False)),
        (60 * MINUTE, {}, ("EXPIRED", True)),
        (14 * MINUTE, {"dataops/keep-failed-seconds": "0"}, ("KEPT", False)),
        (15 * MINUTE, {"dataops/keep-failed-seconds": "0"}, ("EXPIRED", True)),
        (60 * MINUTE, {"dataops/keep-failed-seconds": "-5"}, ("EXPIRED", True)),
    ],
)
def test_a_failed_one_is_kept_for_as_long_as_its_run_says(
    ended: timedelta, annotations: dict[str, str] | None, found: tuple[str, bool]
) -> None:
    more = {} if annotations is None else {"annotations": annotations}
    assert verdict(driver(Stage.FAILED, 5 * HOUR, ended, **more)) == found


def test_one_that_succeeded_waits_a_day_for_the_try_that_takes_it_over() -> None:
    assert verdict(driver(Stage.SUCCEEDED, 30 * HOUR, 23 * HOUR)) == ("KEPT", False)
    assert verdict(driver(Stage.SUCCEEDED, 30 * HOUR, 24 * HOUR)) == ("EXPIRED", True)


def test_one_whose_end_nobody_tells_has_ended_when_it_was_made() -> None:
    assert verdict(driver(Stage.FAILED, 3 * HOUR)) == ("EXPIRED", True)


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"managed-by": "airflow-dataops"},
        {"managed-by": "somebody", "dataops-instance": "prod", "dataops-attempt": "1"},
        {"managed-by": "airflow-dataops", "dataops-instance": "other", "dataops-attempt": "1"},
        {"managed-by": "airflow-dataops", "dataops-instance": "prod"},
    ],
)
def test_what_is_not_ours_is_never_touched(labels: dict[str, str]) -> None:
    assert verdict(driver(age=timedelta(days=99), labels=labels)) == ("FOREIGN", False)


def test_an_operators_driver_goes_with_its_application() -> None:
    assert verdict(driver(Stage.FAILED, timedelta(days=9), owner="d-a1")) == ("OWNED", False)


def test_what_is_being_deleted_is_reported_where_that_takes_long_and_not_told_again() -> None:
    assert verdict(driver(deleting_since=NOW - 29 * MINUTE)) == ("DELETING", False)
    assert verdict(driver(deleting_since=NOW - 30 * MINUTE)) == ("STUCK", False)


def test_a_finding_says_what_and_why() -> None:
    [found] = sweep([driver(Stage.FAILED, 5 * HOUR, 4 * HOUR)], POLICY, NOW)
    assert (found.kind, found.group, found.name, found.uid) == ("pods", "v1", "d-a1", "u")
    assert found.text == "failed for 4h"
