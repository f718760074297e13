# SPDX-License-Identifier: Apache-2.0
"""The janitor's task: what it passes on, what it tells, and when it fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.clients.spark_k8s import sweep
from airflow_dataops.clients.spark_k8s.sweep import SweepError, SweepReport, Swept
from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.spark_k8s.janitor import Finding, JanitorPolicy, Verdict
from airflow_dataops.operators.spark_k8s import SparkKubernetesJanitorOperator

pytestmark = pytest.mark.airflow

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def swept(verdict: Verdict, done: str, error: str = "") -> Swept:
    found = Finding(kind="pods", group="v1", name="d-a1", uid="u", verdict=verdict, delete=done != "left", text="why")
    return Swept(finding=found, done=done, error=error)


def janitor(**given: Any) -> SparkKubernetesJanitorOperator:
    settings = {"namespace": "analytics", "instance": "prod", "kubernetes_conn_id": None}
    return SparkKubernetesJanitorOperator(task_id="sweep", **{**settings, **given})


def finds(patch: pytest.MonkeyPatch, *objects: Swept, **more: Any) -> list[tuple[JanitorPolicy, bool, str]]:
    """Let the sweep find these; returns what it was asked for."""
    asked: list[tuple[JanitorPolicy, bool, str]] = []

    async def stand_in(client: Any, policy: JanitorPolicy, *, now: Any, dry_run: bool, used: Any) -> SweepReport:
        asked.append((policy, dry_run, client.settings.namespace))
        return SweepReport(namespace="analytics", at=NOW, dry_run=dry_run, objects=objects, **more)

    patch.setattr(sweep, "sweep_namespace", stand_in)
    return asked


def test_it_tells_verdicts_and_what_was_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    in_use = swept(Verdict.IN_USE, "left")
    asked = finds(monkeypatch, in_use, swept(Verdict.EXPIRED, "deleted"), in_use)
    found = janitor(grace="5m", keep_failed="2h", dry_run=True).execute({})
    assert found["verdicts"] == {"IN_USE": 2, "EXPIRED": 1}
    assert found["objects"] == [{"name": "d-a1", "uid": "u", "verdict": "EXPIRED", "done": "deleted"}]
    policy = JanitorPolicy.model_validate({"instance": "prod", "grace": "5m", "keep_failed": "2h"})
    assert asked == [(policy, True, "analytics")]


@pytest.mark.parametrize(
    ("objects", "more", "said"),
    [
        ([swept(Verdict.STUCK, "left")], {}, "d-a1: why"),
        ([swept(Verdict.EXPIRED, "failed", "FORBIDDEN: no")], {}, "d-a1: FORBIDDEN: no"),
        (
            [],
            {"blind": {"spark.apache.org/v1": "TIMEOUT: late"}},
            "spark.apache.org/v1 cannot be listed: TIMEOUT: late",
        ),
    ],
)
def test_what_is_not_done_fails_the_task_and_another_try_may_help(
    monkeypatch: pytest.MonkeyPatch, objects: list[Swept], more: dict[str, Any], said: str
) -> None:
    finds(monkeypatch, *objects, **more)
    with pytest.raises(TransientError) as failed:
        janitor().execute({})
    assert failed.value.code == "JANITOR_FAILED"
    assert said in str(failed.value)


def test_what_may_not_be_listed_and_nobody_uses_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    finds(monkeypatch, unlisted={"spark.apache.org/v1": "FORBIDDEN: no; add a rule"})
    assert janitor().execute({})["verdicts"] == {}
    assert "mode crd: spark.apache.org/v1: FORBIDDEN: no; add a rule" in said()


def test_the_api_that_is_used_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def stand_in(*given: Any, used: Any, **more: Any) -> SweepReport:
        asked.append(used)
        return SweepReport(namespace="analytics", at=NOW, dry_run=False)

    monkeypatch.setattr(sweep, "sweep_namespace", stand_in)
    janitor(application_api="spark.apache.org/v1").execute({})
    janitor().execute({})
    assert asked == [("spark.apache.org/v1",), ()]


def test_pods_that_cannot_be_listed_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(*given: Any, **more: Any) -> SweepReport:
        raise SweepError("no list", hint="bind the role")

    monkeypatch.setattr(sweep, "sweep_namespace", blind)
    with pytest.raises(TransientError, match="JANITOR_BLIND: no list") as failed:
        janitor().execute({})
    assert failed.value.hint == "bind the role"


def test_an_argument_that_is_no_length_of_time_is_told() -> None:
    from airflow.providers.common.compat.sdk import AirflowFailException

    with pytest.raises(AirflowFailException, match="JANITOR_INVALID: grace: 'soon' is no length of time"):
        janitor(grace="soon").execute({})
