# SPDX-License-Identifier: Apache-2.0
"""A cluster that does not go is told of, and keeps no other one alive."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.observation import Look
from airflow_dataops.core.dataproc_dask.turn import CallKind
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.fates import task
from tests.unit.core.dataproc_dask.performer import Task, code_of
from tests.unit.core.dataproc_dask.simulator import DeleteFate, JobFate

REFUSED = CallError("PERMISSION_DENIED", "dataproc.clusters.delete")


def left_behind(count: int) -> Task:
    """Return a task that finds clusters of its own: the last one is what is wanted, the others are broken."""
    one = task(job_fates=[JobFate(after=9000)])
    one.until(one.start(), "READY")
    first = one.google.clusters["uuid-1"]
    base = first.view.name
    for number in range(2, count + 1):
        labels = {**first.view.labels, names.GENERATION: f"n{number}"}
        view = replace(first.view, name=names.cluster_name(base, number), uuid=f"uuid-{number}", labels=labels)
        one.google.clusters[view.uuid] = replace(first, view=view)
        one.google.made.append(view.uuid)
    for number in range(1, count):
        cluster = one.google.clusters[f"uuid-{number}"]
        cluster.view = replace(cluster.view, state="ERROR")
    one.google.calls.clear()
    return one


@pytest.mark.parametrize("fate", [DeleteFate(refuse=REFUSED), DeleteFate(stuck=True)], ids=["refused", "stuck"])
def test_the_cluster_in_use_goes_where_another_one_of_the_run_does_not(fate: DeleteFate) -> None:
    one = left_behind(2)
    one.google.deletes = iter([fate])
    assert code_of(one.finish()) == ("DELETE_REFUSED" if fate.refuse else "DELETE_STUCK")
    assert "uuid-2" not in {view.uuid for view in one.google.alive()}


def test_one_refusal_does_not_keep_the_requests_for_the_others_back() -> None:
    one = left_behind(4)
    one.google.deletes = iter([DeleteFate(refuse=REFUSED)])
    outcome = one.finish()
    assert code_of(outcome) == "DELETE_REFUSED"
    assert outcome.failure is not None
    assert "dataproc.clusters.delete" in outcome.failure.message
    assert {view.uuid for view in one.google.alive()} == {"uuid-1"}


def test_a_refusal_ends_however_many_there_are() -> None:
    one = left_behind(4)
    one.google.deletes = iter([DeleteFate(refuse=REFUSED)] * 50)
    assert code_of(one.finish()) == "DELETE_REFUSED"
    told = [request["cluster_uuid"] for _, kind, request in one.google.calls if kind is CallKind.DELETE]
    assert sorted(told) == [f"uuid-{number}" for number in range(1, 5)]


def test_a_list_that_nobody_may_read_is_the_reason_and_not_a_deadline() -> None:
    one = task(job_fates=[JobFate(after=60)])
    denied = CallError("PERMISSION_DENIED", "dataproc.clusters.list")
    one.google.on_read = lambda look: denied if look is Look.CLUSTERS and one.google.count(CallKind.DELETE) else None
    outcome = one.finish()
    assert code_of(outcome) == "DELETE_STUCK"
    assert outcome.failure is not None
    assert "nobody can see whether it is gone: PERMISSION_DENIED dataproc.clusters.list" in outcome.failure.message
