# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.objects import RUN_MODULE, Objects, objects, owned
from airflow_dataops.core.spark_k8s.spec import RunParts
from tests.unit.core.spark_k8s.samples import IDENTITY, changed, parts

DRIVER = names.driver_name(IDENTITY, 1)


def made(path: str | None = None, value: Any = None) -> Objects:
    return objects(parts(path, value), IDENTITY, 1)


def test_the_config_holds_properties_and_the_executors_template() -> None:
    config = made().config
    assert config is not None
    assert config["metadata"]["name"] == f"{DRIVER}-conf"
    assert "spark.app.id=" in config["data"]["spark.properties"]
    assert json.loads(config["data"]["executor-pod-template.yaml"])["kind"] == "Pod"
    assert set(config["data"]) == {"spark.properties", "executor-pod-template.yaml"}


def test_all_objects_bear_the_runs_labels() -> None:
    whole = made("app.service", True)
    documents = [whole.driver, whole.config, whole.secret, whole.service]
    own = names.run_labels(IDENTITY)
    assert all(document is not None and names.owns(document["metadata"]["labels"], own) for document in documents)


def test_the_secret_has_no_values_and_says_which_it_wants() -> None:
    whole = made()
    assert whole.secret is not None
    assert not {"data", "stringData"} & set(whole.secret)
    assert whole.secret["metadata"]["name"] == f"{DRIVER}-env"
    assert whole.secret_values == {"AWS_SECRET_ACCESS_KEY": "conn:s3.password"}


@pytest.mark.parametrize("mode", ["direct", "crd"])
def test_not_even_the_reference_of_a_secret_is_in_a_manifest(mode: str) -> None:
    found = made("target.mode", mode)
    assert "s3.password" not in json.dumps([found.driver, found.config, found.secret, found.service])


def test_no_secret_where_all_are_there_already() -> None:
    whole = made("app.secret_env", {"X": {"name": "s", "key": "k"}})
    assert (whole.secret, whole.secret_values) == (None, {})


def test_a_headless_service_only_when_asked() -> None:
    assert made().service is None
    service = made("app.service", True).service
    assert service is not None
    assert service["spec"]["clusterIP"] == "None"
    labels = made().driver["metadata"]["labels"]
    assert names.owns(labels, service["spec"]["selector"])
    assert {port["port"] for port in service["spec"]["ports"]} == {7078, 7079, 4040}


def test_what_is_owned_goes_with_its_owner() -> None:
    whole = made()
    assert whole.config is not None
    document = owned(whole.config, whole.driver, "u-1")
    (reference,) = document["metadata"]["ownerReferences"]
    assert reference == {"apiVersion": "v1", "kind": "Pod", "name": DRIVER, "uid": "u-1"}
    assert "ownerReferences" not in whole.config["metadata"]


def test_an_operator_makes_config_and_service_itself() -> None:
    whole = changed("target.mode", "crd")
    whole["app"]["service"] = True
    found = objects(RunParts.model_validate(whole), IDENTITY, 1)
    assert (found.driver["kind"], found.config, found.service) == ("SparkApplication", None, None)
    assert found.secret is not None


def test_standalone_creates_nothing() -> None:
    with pytest.raises(SpecError, match="standalone creates nothing"):
        made("target.mode", "standalone")


@pytest.mark.parametrize("mode", ["direct", "crd"])
def test_two_attempts_share_no_name(mode: str) -> None:
    whole = changed("target.mode", mode)
    run = RunParts.model_validate(whole)
    names_of = []
    for attempt in (1, 2):
        found = objects(run, IDENTITY, attempt)
        documents = [found.driver, found.config, found.secret]
        names_of += [document["metadata"]["name"] for document in documents if document is not None]
    assert len(set(names_of)) == len(names_of)


def test_a_module_is_started_as_python_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = changed("app.module", "some_job")
    del whole["app"]["main"]
    config = objects(RunParts.model_validate(whole), IDENTITY, 1).config
    assert config is not None
    assert config["data"]["run_module.py"] == RUN_MODULE
    (tmp_path / "some_job.py").write_text(
        "import sys\nif __name__ == '__main__':\n    print(sys.argv[1:], __spec__.name)\n"
    )
    (tmp_path / "run_module.py").write_text(RUN_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["run_module.py", "some_job", "--day", "1"])
    runpy.run_path(str(tmp_path / "run_module.py"), run_name="__main__")
    assert capsys.readouterr().out == "['--day', '1'] some_job\n"
