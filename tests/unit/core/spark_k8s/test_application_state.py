# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_dataops.core.spark_k8s.application_state import Stage, is_known, stage_of

KUBEFLOW = {
    "": Stage.WAITS,
    "SUBMITTED": Stage.WAITS,
    "SUBMISSION_FAILED": Stage.WAITS,  # it is tried again, or becomes FAILED
    "PENDING_RERUN": Stage.WAITS,
    "INVALIDATING": Stage.WAITS,
    "RUNNING": Stage.RUNS,
    "SUCCEEDING": Stage.RUNS,
    "FAILING": Stage.RUNS,  # a rerun may follow
    "UNKNOWN": Stage.RUNS,
    "COMPLETED": Stage.SUCCEEDED,
    "FAILED": Stage.FAILED,
}
APACHE = {
    "Submitted": Stage.WAITS,
    "ScheduledToRestart": Stage.WAITS,
    "DriverRequested": Stage.WAITS,
    "DriverStarted": Stage.RUNS,
    "DriverReady": Stage.RUNS,
    "InitializedBelowThresholdExecutors": Stage.RUNS,
    "RunningHealthy": Stage.RUNS,
    "RunningWithPartialCapacity": Stage.RUNS,
    "RunningWithBelowThresholdExecutors": Stage.RUNS,
    "DriverStartTimedOut": Stage.RUNS,  # not over yet: another attempt may follow
    "ExecutorsStartTimedOut": Stage.RUNS,
    "DriverReadyTimedOut": Stage.RUNS,
    "Failed": Stage.RUNS,
    "SchedulingFailure": Stage.RUNS,
    "DriverEvicted": Stage.RUNS,
    "Succeeded": Stage.SUCCEEDED,
    "ResourceReleased": Stage.FAILED,  # nothing says that it succeeded
    "TerminatedWithoutReleaseResources": Stage.FAILED,
}


@pytest.mark.parametrize(("word", "stage"), [*KUBEFLOW.items(), *APACHE.items()])
def test_each_word_of_both_operators(word: str, stage: Stage) -> None:
    assert stage_of(word) is stage
    assert is_known(word)


@pytest.mark.parametrize(
    ("history", "stage"),
    [
        (("RunningHealthy", "Succeeded"), Stage.SUCCEEDED),
        (("Failed", "ScheduledToRestart", "RunningHealthy", "Succeeded"), Stage.SUCCEEDED),
        (("Succeeded", "ScheduledToRestart", "SchedulingFailure"), Stage.FAILED),
        ((), Stage.FAILED),
    ],
)
def test_what_became_of_it_is_said_before_all_was_over(history: tuple[str, ...], stage: Stage) -> None:
    assert stage_of("ResourceReleased", (*history, "ResourceReleased")) is stage


def test_a_word_of_a_later_operator_is_not_known_and_ends_nothing() -> None:
    assert (stage_of("Pondering"), is_known("Pondering")) == (Stage.WAITS, False)
