# SPDX-License-Identifier: Apache-2.0
"""Tasks whose Google does what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from airflow_dataops.core.dataproc_dask.observation import Look
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.performer import Task
from tests.unit.core.dataproc_dask.samples import sample
from tests.unit.core.dataproc_dask.simulator import Dataproc

NOWHERE = CallError("UNAVAILABLE", "503")
STOCKOUT = CallError("RESOURCE_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED: not enough resources available")
QUOTA = CallError("INVALID_ARGUMENT", "Insufficient 'CPUS' quota. Requested 48.0, available 24.0.")
MINUTE = timedelta(minutes=1)


def task(run: DaskRun | None = None, goal: Goal = Goal.RUN, **fates: list[Any]) -> Task:
    google = Dataproc()
    for name, planned in fates.items():
        setattr(google, name, iter(planned))
    return Task(google, run or sample(), goal)


def losing(kind: CallKind, *fates: str) -> Callable[[Call], str]:
    left = iter(fates)
    return lambda call: next(left, "ok") if call.kind is kind else "ok"


def failing(*looks: Look, times: int, error: CallError = NOWHERE) -> Callable[[Look], CallError | None]:
    left: Iterator[None] = iter([None] * times)
    return lambda look: error if look in looks and next(left, "over") is None else None
