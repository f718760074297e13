# SPDX-License-Identifier: Apache-2.0
"""The janitor of a namespace against a real API server, as an account that may do only what Airflow needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.drive import utcnow
from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.clients.spark_k8s.sweep import SweepError, SweepReport, sweep_namespace
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s.application import application
from airflow_dataops.core.spark_k8s.driver_pod import driver_pod
from airflow_dataops.core.spark_k8s.janitor import JanitorPolicy
from airflow_dataops.core.spark_k8s.run import SparkRun, parse
from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from dag_factories.cli import main
from tests.integration.spark_k8s.running import settings_of
from tests.services.kube import spark_crds
from tests.services.kube.accounts import AIRFLOW_RULES, DRIVER, RBAC, Namespace, pod, until
from tests.services.kube.api import MERGE, Api
from tests.services.kube.kube_server import KubeServer

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def space(kube: KubeServer) -> Iterator[Namespace]:
    """A namespace whose pods nobody runs: their status is written here."""
    api = Api(kube)
    spark_crds.install(api, *ApplicationApi)
    made = Namespace(kube, api)
    yield made
    made.remove()


def run_of(space: Namespace, mode: str = "direct", keep: str = "1h", **target: str) -> SparkRun:
    return parse(
        {
            "app": {"main": "local:///opt/app/job.py", "image": "i"},
            "target": {"namespace": space.name, "service_account": DRIVER, "mode": mode, **target},
            "policy": {"start_timeout": "10m", "run_timeout": "1h", "keep_failed_for": keep},
        }
    )


def driver(space: Namespace, task: str, phase: str, *, instance: str = "tests", **more: Any) -> str:
    """Make a driver pod that is in a phase; returns its name."""
    run = run_of(space, **more)
    document = driver_pod(run, RunIdentity(instance=instance, dag_id="d", task_id=task, run_id="r"), 1)
    made = space.api("POST", space.path("pods"), document)
    name = str(made["metadata"]["name"])
    space.api("PATCH", space.path("pods", f"{name}/status"), {"status": {"phase": phase}}, MERGE)
    return name


def swept(space: Namespace, *, later: timedelta, dry_run: bool = False, used: tuple[str, ...] = ()) -> SweepReport:
    async def sweep() -> SweepReport:
        async with SparkKubeClient(settings_of(space)) as client:
            now: datetime = utcnow() + later
            return await sweep_namespace(client, JanitorPolicy(instance="tests"), now=now, dry_run=dry_run, used=used)

    return asyncio.run(sweep())


def left(space: Namespace) -> set[str]:
    return {pod["metadata"]["name"] for pod in space.api("GET", space.path("pods"))["items"]}


def test_only_what_is_ours_and_over_is_deleted(space: Namespace) -> None:
    failed = driver(space, "failed", "Failed")
    long = driver(space, "kept", "Failed", keep="9h")
    running = driver(space, "running", "Running")
    success = driver(space, "success", "Succeeded")
    foreign = driver(space, "foreign", "Failed", instance="other")
    space.api("POST", space.path("pods"), {"metadata": {"name": "theirs"}, "spec": _restricted()})
    young = swept(space, later=timedelta(minutes=5))
    assert {one.done for one in young.objects} == {"left"}
    dry = swept(space, later=HOUR, dry_run=True)
    assert [(one.finding.name, one.done) for one in dry.objects if one.done != "left"] == [(failed, "would_delete")]
    report = swept(space, later=HOUR)
    assert (report.ok, report.alert_line) == (True, "dataops.spark_k8s.janitor looked_at=4 deleted=1 failed=0")
    assert left(space) == {long, running, success, foreign, "theirs"}
    orphans = swept(space, later=2 * HOUR)
    assert [one.finding.verdict.value for one in orphans.objects if one.done == "deleted"] == ["ORPHANED"]
    swept(space, later=DAY)
    assert left(space) == {foreign, "theirs"}


@pytest.mark.parametrize("api", [*ApplicationApi])
def test_applications_go_with_what_belongs_to_them(space: Namespace, api: ApplicationApi) -> None:
    run = run_of(space, mode="crd", application_api=api.value)
    identity = RunIdentity(instance="tests", dag_id="d", task_id="a", run_id="r")
    place = space.path("sparkapplications", group=api.value)
    made = space.api("POST", place, application(run, identity, 1))["metadata"]
    assert swept(space, later=HOUR).count("deleted") == 0
    pod = driver_pod(run, identity, 1)
    owner = {"apiVersion": api.value, "kind": "SparkApplication", "name": made["name"], "uid": made["uid"]}
    pod["metadata"] |= {"name": f"{made['name']}-driver", "ownerReferences": [owner]}
    space.api("POST", space.path("pods"), pod)
    report = swept(space, later=2 * HOUR)
    told = {(one.finding.kind, one.finding.verdict.value, one.done) for one in report.objects}
    assert told == {("sparkapplications", "ORPHANED", "deleted"), ("pods", "OWNED", "left")}
    assert space.api("GET", place)["items"] == []


def test_a_list_that_may_not_be_read_is_an_error(space: Namespace) -> None:
    space.api("DELETE", space.path("roles", "airflow", group="rbac.authorization.k8s.io/v1"))

    def refused() -> bool:
        try:
            swept(space, later=HOUR)
        except SweepError as error:
            return "FORBIDDEN" in error.message and "role" in str(error.hint)
        return False

    until(refused)


def test_applications_that_may_not_be_listed_are_told_until_the_rule_of_the_warning_is_there(space: Namespace) -> None:
    path = space.path("roles", "airflow", group=f"{RBAC}/v1")
    rules = [rule for rule in AIRFLOW_RULES if rule["apiGroups"] != ["sparkoperator.k8s.io"]]
    space.api("PATCH", path, {"rules": rules}, MERGE)
    api = ApplicationApi.KUBEFLOW.value
    report = until(lambda: found if (found := swept(space, later=HOUR)).unlisted else None)
    assert (report.ok, list(report.unlisted)) == (True, [api])
    blind = swept(space, later=HOUR, used=(api,))
    assert (blind.ok, list(blind.blind), blind.unlisted) == (False, [api], {})
    rule = json.loads(report.unlisted[api].rpartition("account: ")[2])
    space.api("PATCH", path, {"rules": [*rules, rule]}, MERGE)
    until(lambda: not swept(space, later=HOUR).unlisted)
    assert swept(space, later=HOUR, used=(api,)).ok


def test_the_operator_sweeps_the_connections_namespace(space: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("airflow")
    from airflow_dataops.operators.spark_k8s import SparkKubernetesJanitorOperator
    from tests.integration.spark_k8s.operating import connect

    connect(space, monkeypatch)
    name = driver(space, "failed", "Failed", keep="1s")
    given = {"task_id": "sweep", "kubernetes_conn_id": "cluster", "instance": "tests"}
    kept = SparkKubernetesJanitorOperator(**given).execute({})
    assert (kept["verdicts"], kept["objects"]) == ({"KEPT": 1}, [])
    monkeypatch.setattr("airflow_dataops.clients.drive.utcnow", lambda: utcnow() + HOUR)
    found = SparkKubernetesJanitorOperator(**given).execute({})
    assert [(one["name"], one["verdict"], one["done"]) for one in found["objects"]] == [(name, "EXPIRED", "deleted")]
    assert left(space) == set()


def test_the_command_does_the_same(
    space: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = driver(space, "failed", "Failed")
    who = ["--instance", "tests", "--kubeconfig", str(space.kubeconfig())]
    command = ["janitor", "--namespace", space.name, *who]
    assert main(command) == 0
    assert f"left         pod {name}: failed for" in capsys.readouterr().out
    spark = {"image": "i", "namespace": space.name}
    target = {"engine": "spark", "runner": "spark_k8s", "lake": "s3://lake", "spark": spark}
    (tmp_path / "dataops.yaml").write_text(
        json.dumps({"version": 1, "targets": {"onprem": target}, "default_target": "onprem"})
    )
    monkeypatch.chdir(tmp_path)
    assert main(["janitor", "--target", "onprem", *who]) == 0
    assert f"left         pod {name}: failed for" in capsys.readouterr().out
    monkeypatch.setattr("airflow_dataops.clients.drive.utcnow", lambda: utcnow() + HOUR)
    assert main([*command, "--dry-run"]) == 0
    assert f"would delete pod {name}" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)["objects"]
    assert (told["finding"]["name"], told["done"], left(space)) == (name, "deleted", set())


def test_a_namespace_without_an_api_server_says_so(capsys: pytest.CaptureFixture[str], kube: KubeServer) -> None:
    path = kube.write_kubeconfig("nobody", token="none", namespace="x")
    command = ["janitor", "--namespace", "x", "--instance", "tests", "--kubeconfig", str(path)]
    assert main(command) == 1
    assert "UNAUTHORIZED" in capsys.readouterr().err


def _restricted() -> dict[str, Any]:
    return dict(pod("theirs", "true")["spec"])
