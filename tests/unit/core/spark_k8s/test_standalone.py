# SPDX-License-Identifier: Apache-2.0
"""The end of a run of mode standalone."""

from __future__ import annotations

import pytest

from airflow_dataops.core.spark_k8s.standalone import outcome_of
from tests.unit.core.spark_k8s.samples import parts

OOM = "Lost task 1.0: ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: exit code 137"


@pytest.mark.parametrize(
    ("exit_code", "log", "code", "retryable"),
    [
        (1, 'Traceback (most recent call last):\n  File "j.py", line 1\nValueError: no', "APP_ERROR", True),
        (52, "", "DRIVER_OOM", False),
        (101, "Error: Failed to load class com.example.Main.", "CLASS_NOT_FOUND", False),
        (1, f"{OOM}\n{OOM}\n", "EXECUTOR_OOM_LOOP", False),
        (1, "com.amazonaws.services.s3.model.AmazonS3Exception: AccessDenied s3a://b/k", "S3_AUTH", False),
        (None, "", "RUN_TIMEOUT", True),
    ],
)
def test_a_failure_has_the_code_of_the_other_modes(exit_code: int | None, log: str, code: str, retryable: bool) -> None:
    found = outcome_of(parts(), exit_code, log, "", 3.0)
    assert found.failure is not None
    assert (found.failure.code, found.failure.retryable) == (code, retryable)
    assert found.summary.exit_code == exit_code


@pytest.mark.parametrize(
    ("log", "app_id"),
    [
        (
            "INFO StandaloneSchedulerBackend: Connected to Spark cluster with app ID app-20261122053000-0007",
            "app-20261122053000-0007",
        ),
        ("SparkContext: local-1763789400123 on", "local-1763789400123"),
        ("nothing", ""),
    ],
)
def test_the_application_is_known_by_its_log(log: str, app_id: str) -> None:
    found = outcome_of(parts(), 0, log, "[1]", 3.25)
    assert (found.ok, found.summary.app_id, found.summary.result, found.summary.run_seconds) == (
        True,
        app_id,
        "[1]",
        3.25,
    )
