# SPDX-License-Identifier: Apache-2.0
"""Diagnoses of what a real API server and the test node showed; see ``tests/integration/spark_k8s/record_diagnoses.py``.

A file says under ``constructed`` what of it is not the plane's own doing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.diagnosis import diagnose
from airflow_dataops.core.spark_k8s.failures import DIAGNOSES, Reason
from airflow_dataops.core.spark_k8s.observation import EventView, ExecutorView, PodView

FILES = sorted(Path(__file__).with_name("fixtures").glob("*.json"))
OF_THE_CLUSTER = {Reason.EVICTED, Reason.NODE_LOST, Reason.EXECUTOR_OOM_LOOP, Reason.DRIVER_OOM}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_recorded_cause_is_known(path: Path) -> None:
    found = read(path)
    failure = diagnose(
        None if found["pod"] is None else PodView.model_validate(found["pod"]),
        [EventView.model_validate(one) for one in found["events"]],
        [ExecutorView.model_validate(one) for one in found["executors"]],
        found["log_tail"],
        found["said"],
    )
    assert failure.code.value == found["code"]
    assert failure.hint
    assert failure.evidence


def test_every_cause_is_recorded() -> None:
    assert {Reason(read(path)["code"]) for path in FILES} == set(DIAGNOSES) - {Reason.RUN_TIMEOUT}


def test_what_is_constructed_says_so() -> None:
    constructed = {Reason(found["code"]) for found in map(read, FILES) if found["constructed"]}
    assert constructed == OF_THE_CLUSTER | {Reason.S3_AUTH, Reason.CLASS_NOT_FOUND}
