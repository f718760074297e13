# SPDX-License-Identifier: Apache-2.0
"""Operators with jobs that stand in for the real ones, each in a real process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_dataops.clients import job_process
from tests.sample_jobs import ROOT


@pytest.fixture
def stand_in_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let operators start the jobs of ``tests.sample_jobs.stand_in``."""
    real = job_process.JobProcess
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(job_process, "JobProcess", lambda stem: real(stem, module=f"tests.sample_jobs.stand_in.{stem}"))


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, str]]]:
    """Return a list that fills with ``(kind, name, tags)`` of what is sent to Airflow's metrics."""
    from airflow_dataops.operators import _job

    sent: list[tuple[str, str, dict[str, str]]] = []

    def keep(kind: str) -> Callable[..., None]:
        return lambda name, *args, tags=None, **others: sent.append((kind, name, tags or {}))

    for kind in ("incr", "gauge", "timing"):
        monkeypatch.setattr(_job.Stats, kind, keep(kind))
    return sent


@pytest.fixture
def task_state() -> Callable[[Any, str], str]:
    """Return a function: state of a task of a run."""
    return lambda dag_run, task_id: str(dag_run.get_task_instance(task_id).state)
