# SPDX-License-Identifier: Apache-2.0
"""The janitor's task: what it passes on, what it tells, and when it fails."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.clients.dataproc_dask import sweep
from airflow_dataops.clients.dataproc_dask.sweep import SweepReport, Swept
from airflow_dataops.clients.google import CloudError
from airflow_dataops.core.dataproc_dask.janitor import Finding, JanitorPolicy, Verdict
from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.machine import CallError
from airflow_dataops.operators.dataproc_dask import DataprocDaskJanitorOperator
from tests.unit.core.dataproc_dask.samples import NOW
from tests.unit.operators.dataproc_dask.memory import World

pytestmark = pytest.mark.airflow


def swept(verdict: Verdict, done: str, error: str = "") -> Swept:
    finding = Finding(name=f"dd-{verdict.value.lower()}", uuid="u", verdict=verdict, delete=done != "left", text="why")
    return Swept(finding=finding, done=done, error=error)


def janitor(**given: Any) -> DataprocDaskJanitorOperator:
    return DataprocDaskJanitorOperator(task_id="sweep", **{"project": "p", "region": "r", "instance": "prod", **given})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, world: World) -> list[tuple[JanitorPolicy, bool]]:
    """What the sweep was asked for; the clusters are in ``found``."""
    calls: list[tuple[JanitorPolicy, bool]] = []

    async def stand_in(client: Any, policy: JanitorPolicy, *, now: Any, dry_run: bool) -> SweepReport:
        calls.append((policy, dry_run))
        return SweepReport(project="p", region="r", at=NOW, dry_run=dry_run, clusters=tuple(FOUND))

    monkeypatch.setattr(sweep, "sweep_clusters", stand_in)
    return calls


FOUND: list[Swept] = []


def test_it_tells_verdicts_and_what_was_deleted(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    monkeypatch.setattr(
        f"{__name__}.FOUND",
        [swept(Verdict.IN_USE, "left"), swept(Verdict.EXPIRED, "deleted"), swept(Verdict.IN_USE, "left")],
    )
    found = janitor(grace="5m", orphan_after="1h").execute({})
    assert found["verdicts"] == {"IN_USE": 2, "EXPIRED": 1}
    assert found["clusters"] == [{"name": "dd-expired", "uuid": "u", "verdict": "EXPIRED", "done": "deleted"}]
    [(policy, dry_run)] = asked
    assert policy == JanitorPolicy.model_validate({"instance": "prod", "grace": "5m", "orphan_after": "1h"})
    assert dry_run is False
    assert world.open == 0


def test_a_dry_run_is_passed_on(asked: list[Any]) -> None:
    assert janitor(dry_run=True).execute({})["dry_run"] is True
    assert asked[0][1] is True


@pytest.mark.parametrize(
    "bad", [swept(Verdict.ORPHANED, "failed", "UNAVAILABLE: try later"), swept(Verdict.STUCK, "deleted")]
)
def test_what_does_not_go_fails_the_task_loudly(asked: list[Any], monkeypatch: pytest.MonkeyPatch, bad: Swept) -> None:
    monkeypatch.setattr(f"{__name__}.FOUND", [bad])
    with pytest.raises(TransientError, match=f"JANITOR_FAILED: 1 of the clusters do not go: {bad.finding.name}"):
        janitor().execute({})


@pytest.mark.parametrize(("code", "retried"), [("UNAVAILABLE", True), ("PERMISSION_DENIED", False)])
def test_where_google_does_not_answer_it_is_tried_again_and_where_it_refuses_not(
    monkeypatch: pytest.MonkeyPatch, world: World, code: str, retried: bool
) -> None:
    async def refuse(*_: Any, **__: Any) -> SweepReport:
        raise CloudError(CallError(code, "no"), "list the clusters")

    monkeypatch.setattr(sweep, "sweep_clusters", refuse)
    with pytest.raises(Exception, match=code) as caught:
        janitor().execute({})
    assert isinstance(caught.value, TransientError) is retried


def test_a_wrong_length_of_time_is_told_before_anything_is_asked(asked: list[Any]) -> None:
    with pytest.raises(Exception, match="JANITOR_INVALID: grace: 'soon' is no length of time"):
        janitor(grace="soon").execute({})
    assert asked == []
