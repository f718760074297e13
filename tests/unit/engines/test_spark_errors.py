# SPDX-License-Identifier: Apache-2.0
"""What Spark says of executors that it lost: only some are lost for their memory."""

from __future__ import annotations

import pytest

from airflow_dataops.core.errors import DataOpsError, TransientError
from airflow_dataops.engines.spark_errors import translate

# Constructed, in the words of Spark 3.5's TaskSetManager and ExecutorPodsLifecycleManager.
LOST = (
    "Job aborted due to stage failure: Task 0 in stage 1.0 failed 4 times, most recent failure: Lost task 0.3 in stage 1.0 (TID 7) "
    "(10.0.0.9 executor 4): ExecutorLostFailure (executor 4 exited caused by one of the running tasks) Reason: {}\nDriver stacktrace:"
)


@pytest.mark.parametrize(
    "reason",
    [
        "The executor with id 4 exited with exit code 137(SIGKILL, possible container OOM).",
        "Command exited with code 52",
        "Container killed by YARN for exceeding physical memory limits.",
    ],
)
def test_one_that_was_killed_for_its_memory_is_not_tried_again(reason: str) -> None:
    found = translate(LOST.format(reason))
    assert isinstance(found, DataOpsError)
    assert (found.code, found.retryable) == ("OUT_OF_MEMORY", False)


@pytest.mark.parametrize(
    "reason",
    [
        "The executor with id 4 was deleted by a user or the framework.",
        "worker lost: Not receiving heartbeat for 60 seconds",
        "Executor heartbeat timed out after 137000 ms",
        "The executor with id 4 exited with exit code 143(SIGTERM).",
    ],
)
def test_one_that_was_taken_away_may_be_spared_the_next_time(reason: str) -> None:
    found = translate(LOST.format(reason))
    assert isinstance(found, TransientError)
    assert found.code == "EXECUTORS_LOST"
    assert "executor 4" in found.message
