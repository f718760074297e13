# SPDX-License-Identifier: Apache-2.0
"""``dataops preflight`` for a target with Spark drivers, on a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dag_factories.cli import main
from tests.services.kube.accounts import AIRFLOW, AIRFLOW_RULES, DRIVER, RBAC, Namespace, until
from tests.services.kube.api import MERGE, Api
from tests.services.kube.kube_server import KubeServer

pytestmark = [pytest.mark.integration]

PIPELINE = (
    "version: 1\nkind: bronze_to_silver\nname: flights\nstart_date: 2024-01-01\nschedule: null\n"
    'source: {path: "${lake}/in"}\ntarget: {path: "${lake}/out"}\nfull: true\n'
)


@pytest.fixture
def space(kube: KubeServer) -> Iterator[Namespace]:
    made = Namespace(kube, Api(kube))
    yield made
    made.remove()


@pytest.fixture
def pipeline(space: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A pipeline whose target's namespace is the connection's; its lake is not in S3, so that nobody looks there."""
    text = space.kubeconfig().read_text(encoding="utf-8")
    document = {"conn_type": "kubernetes", "extra": {"kube_config": text, "namespace": space.name}}
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps(document))
    target = {
        "engine": "spark",
        "runner": "spark_k8s",
        "lake": "./lake",
        "spark": {
            "image": "registry.example.com/team/spark:3.5",
            "service_account": DRIVER,
            "kubernetes_conn_id": "cluster",
            "image_pull_secrets": ["registry"],
        },
    }
    project = {"version": 1, "default_target": "onprem", "targets": {"onprem": target}}
    (tmp_path / "dataops.yaml").write_text(json.dumps(project))
    (tmp_path / "flights.yaml").write_text(PIPELINE)
    return str(tmp_path / "flights.yaml")


def test_what_is_missing_is_told_and_its_yaml_mends_it(
    space: Namespace, pipeline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preflight", pipeline]) == 1
    said = capsys.readouterr()
    assert "problem  image_pull_secret.registry: there is no Secret registry" in said.out
    assert "kubectl apply --server-side -f - <<'EOF'\n---\napiVersion: v1\nkind: Secret" in said.out
    assert said.err.strip() == "1 problem"
    assert main(["preflight", pipeline, "--yaml"]) == 1
    [secret] = yaml.safe_load_all(capsys.readouterr().out)
    path = space.path("secrets", secret["metadata"]["name"])
    space.api("PATCH", path, secret, "application/apply-patch+yaml", fieldManager="kubectl")
    assert main(["preflight", pipeline, "--json"]) == 0
    found = {one["check"]: one["level"] for one in json.loads(capsys.readouterr().out)}
    assert set(found.values()) == {"ok"}
    assert "driver.admission" in found


def test_a_kubeconfig_goes_before_the_connection(
    space: Namespace, pipeline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = ["--kubeconfig", str(space.kube.kubeconfig), "--json"]
    main(["preflight", pipeline, *admin])
    [api] = [one for one in json.loads(capsys.readouterr().out) if one["check"] == "api"]
    assert api["message"].endswith("answers admin")


def test_a_secret_of_the_pipeline_needs_a_right_that_the_yaml_gives(
    space: Namespace, pipeline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = [{**rule, "resources": [one for one in rule["resources"] if one != "secrets"]} for rule in AIRFLOW_RULES]
    space.api("PATCH", space.path("roles", AIRFLOW, group=f"{RBAC}/v1"), {"rules": rules}, MERGE)

    def own_rights() -> dict[str, Any]:
        main(["preflight", pipeline, "--json"])
        [found] = [one for one in json.loads(capsys.readouterr().out) if one["check"] == "own.rights"]
        return dict(found)

    assert own_rights()["level"] == "ok"
    salted = 'columns: {tailnum: {mask: {kind: sha256, salt: "${var:salt}"}}}\n'
    Path(pipeline).write_text(PIPELINE + salted)
    lacks = until(lambda: found if (found := own_rights())["level"] == "problem" else None)
    assert "may not create secrets" in lacks["message"]
    for manifest in lacks["manifests"]:
        path = space.path(f"{manifest['kind'].lower()}s", manifest["metadata"]["name"], group=f"{RBAC}/v1")
        space.api("PATCH", path, manifest, "application/apply-patch+yaml", fieldManager="kubectl")
    until(lambda: own_rights()["level"] == "ok")


def test_an_option_of_google_is_refused(pipeline: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", pipeline, "--impersonate", "a@p"]) != 0
    assert "--impersonate is for Google Cloud" in capsys.readouterr().err
