# SPDX-License-Identifier: Apache-2.0
"""The job without its cluster; with a real one it is run in tests/integration/dag_factories/test_composer_dask.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.dask_job import DaskJobSpec
from airflow_dataops.core.errors import DataOpsError, MissingDependency
from airflow_dataops.core.run import RunContext
from airflow_dataops.jobs import dask_job

RUN = RunContext(pipeline="orders", key="k")


def spec(**more: Any) -> DaskJobSpec:
    return DaskJobSpec.model_validate({"task": "count", "lake": "/lake", "run": RUN, "function": "work:count", **more})


@pytest.mark.parametrize(
    ("workers", "room", "got", "threads"),
    [(None, 4, 4, 1), (2, 4, 2, 2), (8, 4, 4, 1), ({"minimum": 1, "maximum": 3}, 4, 3, 1), (1, 1, 1, 1)],
)
def test_no_more_workers_than_there_is_room_for(workers: Any, room: int, got: int, threads: int) -> None:
    document = dask_job._document(spec(workers=workers, resources={"threads": room}))
    assert (document.workers, document.at_least, document.worker_threads) == (got, got, threads)


def test_the_memory_is_shared_out_and_some_is_left_for_the_function() -> None:
    document = dask_job._document(spec(workers=2, resources={"threads": 2, "memory_bytes": 10**9}))
    assert document.worker_memory == 4 * 10**8


def test_a_function_that_is_not_there_is_told_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work_of_a_test.py").write_text("def count(client): ...\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(dask_job, "start", lambda *_: pytest.fail("a scheduler was started"))
    with pytest.raises(DataOpsError, match="did you mean 'count'") as raised:
        dask_job.run(spec(function="work_of_a_test:coumt", code=[str(tmp_path)]))
    assert raised.value.code == "FUNCTION_MISSING"


def test_a_module_that_is_not_there_is_told_with_the_folders_that_were_looked_into(tmp_path: Path) -> None:
    with pytest.raises(DataOpsError) as raised:
        dask_job.run(spec(function="nowhere_at_all:count", code=[str(tmp_path)]))
    assert raised.value.code == "FUNCTION_MISSING"
    assert raised.value.hint == f"it is looked for in {tmp_path}; put it there, or add its folder to code"


def test_without_dask_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependency, match=r"airflow-dataops\[dask\]"):
        dask_job.run(spec())
