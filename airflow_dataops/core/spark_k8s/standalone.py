# SPDX-License-Identifier: Apache-2.0
"""How a run of mode ``standalone`` ended, in the words of the other modes."""

from __future__ import annotations

import re

from airflow_dataops.core.durations import told
from airflow_dataops.core.spark_k8s.failures import Failure, Reason, failure
from airflow_dataops.core.spark_k8s.log_errors import read_errors
from airflow_dataops.core.spark_k8s.program import diagnose_program, executors, heap
from airflow_dataops.core.spark_k8s.spec import RunParts
from airflow_dataops.core.spark_k8s.state import Outcome, Summary

_APP_ID = re.compile(r"\b(?:app-\d{14}-\d{4}|local-\d{13})\b")


def names_application(line: str) -> bool:
    """Tell whether a line of the log has the application's id; it stands near the log's beginning."""
    return _APP_ID.search(line) is not None


def outcome_of(run: RunParts, exit_code: int | None, log_tail: str, result: str, seconds: float) -> Outcome:
    """Return how it ended.

    Args:
        run: What was wanted.
        exit_code: Of spark-submit in client mode, which is the program's; None where its time was over.
        log_tail: The end of its log, with the line before it that names the application.
        result: What the program left.
        seconds: How long it took.
    """
    known = _APP_ID.search(log_tail)
    told = Summary(
        app_id=known[0] if known else "", attempt=1, exit_code=exit_code, result=result, run_seconds=round(seconds, 3)
    )
    if exit_code == 0:
        return Outcome(summary=told)
    return Outcome(failure=_failure(run, exit_code, log_tail), summary=told)


def _failure(run: RunParts, exit_code: int | None, log_tail: str) -> Failure:
    if exit_code is None:
        return failure(Reason.RUN_TIMEOUT, f"the program ran longer than {told(run.policy.run_timeout)}")
    errors = read_errors(log_tail)
    found = heap(errors, exit_code) or executors((), log_tail, exit_code)
    return found or diagnose_program(errors, exit_code)
