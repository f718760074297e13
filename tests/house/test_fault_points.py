# SPDX-License-Identifier: Apache-2.0
"""Every step of a job has a fault point, and every fault point is walked."""

from __future__ import annotations

import inspect

import pytest

from airflow_dataops.clients.storage import Storage
from airflow_dataops.core.faults import FaultPoint
from tests.faults.points import cases, covered
from tests.house.steps import CHANGES, DELETIONS, Module, follow, points_in, read
from tests.house.tree import ROOT, sources

JOBS = ("dq_gate", "refine", "publish", "maintain", "report")
# The folder for what does not fit in memory is no part of a lake.
SCRATCH = {"__init__.py", "spill.py"}
READS = {"read_bytes", "open", "find", "leftovers", "info", "names", "real"}


def modules() -> dict[str, Module]:
    """Jobs and clients, by dotted name."""
    paths = [path for path in sources("airflow_dataops/jobs", "airflow_dataops/clients") if path.name not in SCRATCH]
    names = {".".join(path.with_suffix("").parts): path for path in paths}
    return {name: read(name, (ROOT / path).read_text(encoding="utf-8")) for name, path in names.items()}


@pytest.mark.parametrize(("module", "function"), [*((job, "run") for job in JOBS), ("process", "execute")])
def test_between_two_changes_a_job_names_the_place_it_has_come_to(module: str, function: str) -> None:
    found = follow(modules(), f"airflow_dataops.jobs.{module}", function)
    assert [event for event in found.events if event.kind == "change"]
    assert found.gaps == []


def test_every_point_is_reached_by_the_code() -> None:
    reached = {
        name for path in sources("airflow_dataops") for name in points_in((ROOT / path).read_text(encoding="utf-8"))
    }
    assert reached == {point.name for point in FaultPoint}


def test_every_point_is_walked() -> None:
    assert set(FaultPoint) - covered() == set()
    assert len({str(case) for case in cases()}) == len(cases())


def test_a_new_way_to_change_the_lake_is_known_to_this_check() -> None:
    methods = {name for name, _ in inspect.getmembers(Storage, inspect.isfunction) if not name.startswith("_")}
    assert methods - READS - CHANGES - DELETIONS == {"copy"}


SEEDED = """
from airflow_dataops.jobs.records import write_document
from airflow_dataops.core.faults import FaultPoint, reached

def run(storage, timer):
    write_document("a", 1)
    {between}
    with timer("x", FaultPoint.JOB_WORKED):
        if storage:
            return _more(storage)
        storage.delete("a")
        storage.delete_tree("b")

def _more(storage):
    storage.copy_all([])
    storage.delete("a")
"""


@pytest.mark.parametrize(
    ("between", "found"), [("pass", 1), ("reached(FaultPoint.JOB_STARTED)", 0), ("storage.delete('b')", 1)]
)
def test_a_step_without_a_point_is_found(between: str, found: int) -> None:
    seeded = {"seeded": read("seeded", SEEDED.format(between=between))}
    assert [second.name for _, second in follow(seeded, "seeded", "run").gaps] == ["copy_all"] * found
