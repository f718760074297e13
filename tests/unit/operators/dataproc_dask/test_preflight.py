# SPDX-License-Identifier: Apache-2.0
"""The preflight's task: what it asks with, what it tells, and what makes it fail."""

from __future__ import annotations

import json
import logging
from typing import Any
from unittest.mock import MagicMock

import pytest

from airflow_dataops.clients.dataproc_dask import preflight as client
from airflow_dataops.clients.google import CloudError
from airflow_dataops.core.dataproc_dask.spec import ClusterSpec
from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.findings import Finding, Level
from airflow_dataops.operators import _preflight
from airflow_dataops.operators.dataproc_dask import DataprocDaskPreflightOperator
from tests.unit.operators.dataproc_dask.memory import arguments
from tests.unit.operators.shell import Ti

pytestmark = pytest.mark.airflow

CLUSTER, JOB = arguments()["cluster"], arguments()["job"]
OK = Finding(check="rules", level=Level.OK, message="fine")
WARNING = Finding(check="quota.CPUS", level=Level.WARNING, message="it may not be enough", fix="ask for more")
UNKNOWN = Finding(check="subnet.exists", level=Level.UNKNOWN, message="may not look", fix="grant the viewer")
PROBLEM = Finding(check="key.enabled", level=Level.PROBLEM, message="the key is not enabled", fix="enable the key")


class Asked:
    """What the client was asked, and what it answers."""

    def __init__(self) -> None:
        self.found: tuple[Finding, ...] = (OK,)
        self.calls: list[tuple[Any, Any, str | None]] = []
        self.lifecycles: list[str] = []

    def __call__(
        self, settings: Any, run: Any, *, bucket: str | None = None, lifecycle: str = "airflow"
    ) -> tuple[Finding, ...]:
        self.lifecycles.append(lifecycle)
        self.calls.append((settings, run, bucket))
        return self.found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked()
    monkeypatch.setattr(client, "preflight", made)
    return made


def operator(**given: Any) -> DataprocDaskPreflightOperator:
    return DataprocDaskPreflightOperator(task_id="look", **{"cluster": CLUSTER, **given})


def execute(**given: Any) -> tuple[dict[str, Any], Ti]:
    ti = Ti("look")
    return operator(**given).execute({"ti": ti}), ti


def fails(**given: Any) -> tuple[str, Any]:
    """Run it to its failure; returns the message, and what XCom has."""
    from airflow.providers.common.compat.sdk import AirflowFailException

    ti = Ti("look")
    with pytest.raises(AirflowFailException) as caught:
        operator(**given).execute({"ti": ti})
    return str(caught.value), ti.xcom_pull(task_ids="look")


def test_it_asks_with_the_account_of_the_connection_and_in_the_jobs_bucket(asked: Asked) -> None:
    execute(job=JOB, bucket="gs://jobs/", gcp_conn_id="other", impersonation_chain="a@p, b@p")
    [(settings, run, bucket)] = asked.calls
    assert (settings.project, settings.region) == (CLUSTER["project"], CLUSTER["region"])
    assert (settings.credentials.gcp_conn_id, settings.credentials.impersonation_chain) == ("other", ("a@p", "b@p"))
    assert (run.job.function, bucket) == (JOB["function"], "jobs")


def test_without_a_connection_it_asks_as_the_worker_itself(asked: Asked) -> None:
    execute(gcp_conn_id=None)
    assert asked.calls[0][0].credentials is None
    assert asked.calls[0][2] is None


def test_it_asks_for_what_a_workflow_of_googles_needs(asked: Asked) -> None:
    execute()
    execute(lifecycle="google")
    assert asked.lifecycles == ["airflow", "google"]
    assert "lifecycle is 'aws'; known are airflow, google" in fails(lifecycle="aws")[0]


def test_what_a_model_leaves_to_its_defaults_was_not_asked_for(asked: Asked) -> None:
    execute(cluster=ClusterSpec.model_validate(CLUSTER), lifecycle="google")
    assert "auto_delete_ttl" not in asked.calls[0][1].model_dump(exclude_unset=True)["cluster"]


def test_models_are_taken_as_well_as_dicts(asked: Asked) -> None:
    execute(cluster=ClusterSpec.model_validate(CLUSTER))
    assert asked.calls[0][1].cluster == ClusterSpec.model_validate(CLUSTER)


def test_the_report_is_json_and_has_what_is_not_fine(asked: Asked) -> None:
    asked.found = (OK, OK, WARNING, UNKNOWN)
    report, _ = execute()
    assert json.loads(json.dumps(report)) == report
    assert report["levels"] == {"ok": 2, "warning": 1, "unknown": 1}
    assert [finding["check"] for finding in report["findings"]] == ["quota.CPUS", "subnet.exists"]
    assert report["findings"][0]["fix"] == "ask for more"


def test_what_is_certain_to_be_missing_fails_with_the_worst_and_its_remedy(asked: Asked) -> None:
    asked.found = (OK, WARNING, UNKNOWN, PROBLEM)
    said, kept = fails()
    wanted = "1 of 4 checks found something missing; first key.enabled: the key is not enabled -> enable the key"
    assert said == f"PREFLIGHT_FAILED: {wanted}"
    assert kept["levels"]["problem"] == 1


@pytest.mark.parametrize(("level", "bad"), [("unknown", UNKNOWN), ("warning", WARNING), ("warning", UNKNOWN)])
def test_less_may_be_told_to_fail_too(asked: Asked, level: str, bad: Finding) -> None:
    asked.found = (OK, bad)
    said, _ = fails(fail_on=level)
    assert f"first {bad.check}: " in said


def test_the_worst_is_told_first(asked: Asked) -> None:
    asked.found = (WARNING, UNKNOWN, PROBLEM)
    assert "3 of 3 checks found something missing; first key.enabled" in fails(fail_on="warning")[0]


@pytest.mark.parametrize(("level", "bad"), [("problem", UNKNOWN), ("problem", WARNING), ("unknown", WARNING)])
def test_what_is_not_so_bad_does_not_fail(asked: Asked, level: str, bad: Finding) -> None:
    asked.found = (OK, bad)
    assert execute(fail_on=level)[0]["levels"] == {"ok": 1, bad.level.value: 1}


def test_an_unknown_level_is_told_before_anything_is_asked(asked: Asked) -> None:
    said, _ = fails(fail_on="error")
    assert said == "PREFLIGHT_INVALID: fail_on is 'error'; known are warning, unknown, problem"
    assert asked.calls == []


def test_a_run_that_breaks_rules_is_asked_about_and_one_of_wrong_types_is_not(asked: Asked) -> None:
    execute(cluster={**CLUSTER, "idle_delete_ttl": "1m"})
    said, _ = fails(cluster={**CLUSTER, "wrokers": 2})
    assert "DASK_RUN_INVALID" in said
    assert "wrokers" in said
    assert len(asked.calls) == 1


@pytest.mark.parametrize(("code", "retried"), [("UNAVAILABLE", True), ("UNAUTHENTICATED", False)])
def test_without_a_token_it_is_tried_again_only_where_that_may_pass(
    monkeypatch: pytest.MonkeyPatch, code: str, retried: bool
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise CloudError(CallError(code, "no"), "fetch a token")

    monkeypatch.setattr(client, "preflight", refuse)
    with pytest.raises(Exception, match=code) as caught:
        execute()
    assert isinstance(caught.value, TransientError) is retried


def test_each_finding_is_in_the_log_with_its_remedy(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MagicMock()
    monkeypatch.setattr(DataprocDaskPreflightOperator, "log", log)
    asked.found = (OK, WARNING, PROBLEM)
    fails()
    heard = [(logging.getLevelName(one.args[0]), one.args[1] % one.args[2:]) for one in log.log.call_args_list]
    assert heard == [
        ("INFO", "ok rules: fine"),
        ("WARNING", "warning quota.CPUS: it may not be enough\n  -> ask for more"),
        ("ERROR", "problem key.enabled: the key is not enabled\n  -> enable the key"),
    ]


def test_metrics_count_the_findings_by_level(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, int, dict[str, str]]] = []
    monkeypatch.setattr(_preflight.Stats, "incr", lambda name, count, tags: sent.append((name, count, tags)))
    asked.found = (OK, OK, WARNING)
    execute()
    name = "dataops.dataproc_dask.preflight"
    assert sent == [(name, 2, {"level": "ok"}), (name, 1, {"level": "warning"})]
