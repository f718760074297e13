# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from dag_factories.findings import PipelineError

pytestmark = pytest.mark.airflow

DagOf = Callable[..., Any]
ROUTES = "alerts: {pager: {notifier: recorder, to: '${env:PAGER}'}, chat: {notifier: recorder, to: chat}}\n"
ALERTS = "alerts: {critical: pager, warning: chat, info: chat}\ndefaults: {retries: 0}\n"
told: list[tuple[str, str, str]] = []


class Recorder:
    """A notifier that remembers what it was told."""

    def __init__(self, *, to: str) -> None:
        self.to = to

    def __call__(self, context: Any) -> None:
        told.append((self.to, context["ti"].task_id, context["dataops_severity"]))


def remember(context: Any) -> None:
    told.append(("callback", context["ti"].task_id, ""))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the notifier and the callback as an installed package would."""
    from dag_factories import names
    from dag_factories.realise import alerts

    points = EntryPoints(
        [
            EntryPoint("recorder", f"{__name__}:Recorder", names.NOTIFIERS),
            EntryPoint("remember", f"{__name__}:remember", names.CALLBACKS),
        ]
    )
    alerts.registered.cache_clear()
    monkeypatch.setattr(alerts, "entry_points", lambda *, group: points.select(group=group))
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: points.select(group=group))
    monkeypatch.setenv("PAGER", "pager-address")
    told.clear()
    yield
    alerts.registered.cache_clear()


@pytest.fixture
def run(run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return ``run(dag, verdict, failing)``: a run whose report returns the verdict."""
    from airflow_dataops.operators.refine import PublishTableOperator, RefineTableOperator, RunReportOperator

    def go(dag: Any, verdict: str = "passed", failing: str | None = None) -> None:
        def work(self: Any, context: Any) -> dict[str, str]:
            if self.task_id == failing:
                raise ValueError("on purpose")
            return {"verdict": verdict}

        for cls in (PublishTableOperator, RefineTableOperator, RunReportOperator):
            monkeypatch.setattr(cls, "execute", work)
        run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC))

    return go


def test_a_failed_task_is_told_once_to_the_critical_route(dag_of: DagOf, run: Callable[..., None]) -> None:
    run(dag_of(ALERTS, ROUTES), verdict="failed", failing="refine")
    assert told == [("pager-address", "refine", "critical")]


@pytest.mark.parametrize(
    ("verdict", "severity"), [("warned", "warning"), ("quarantined", "warning"), ("passed", "info")]
)
def test_the_verdict_of_a_run_is_told_by_its_severity(
    dag_of: DagOf, run: Callable[..., None], verdict: str, severity: str
) -> None:
    run(dag_of(ALERTS, ROUTES), verdict=verdict)
    assert told == [("chat", "report", severity)]


def test_nobody_is_told_who_was_not_named(dag_of: DagOf, run: Callable[..., None]) -> None:
    run(dag_of("alerts: {critical: pager}\n", ROUTES), verdict="warned")
    assert told == []


def test_a_callback_may_name_a_route_or_a_registered_function(dag_of: DagOf, run: Callable[..., None]) -> None:
    run(dag_of("tasks: {publish: {on_success_callback: [chat, remember]}}\n", ROUTES))
    assert told == [("chat", "publish", "info"), ("callback", "publish", "")]


def test_own_callbacks_are_called_beside_the_alerts(dag_of: DagOf, run: Callable[..., None]) -> None:
    run(
        dag_of(ALERTS + "tasks: {refine: {on_failure_callback: remember}}\n", ROUTES),
        verdict="failed",
        failing="refine",
    )
    assert told == [("callback", "refine", ""), ("pager-address", "refine", "critical")]


def test_a_callback_that_nobody_registered_is_an_error_of_the_file(dag_of: DagOf) -> None:
    with pytest.raises(PipelineError, match="rememberr"):
        dag_of("tasks: {refine: {on_failure_callback: rememberr}}\n", ROUTES)


def test_a_callback_of_the_whole_dag_tells_its_route(dag_of: DagOf, run: Callable[..., None]) -> None:
    run(dag_of("defaults: {retries: 0}\ndag: {on_failure_callback: pager}\n", ROUTES), failing="refine")
    assert [(to, severity) for to, _, severity in told] == [("pager-address", "critical")]
