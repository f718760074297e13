# SPDX-License-Identifier: Apache-2.0
"""A step of a pipeline in a driver pod: what the driver is told, what the task returns, and which failures are for good."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, Asset

from airflow_dataops.core.errors import DataOpsError, GateFailed, RunConflict, TransientError
from airflow_dataops.core.secrets import variable_of
from airflow_dataops.core.spark_k8s.step import decode
from airflow_dataops.core.tables import EngineName
from airflow_dataops.operators.spark_k8s._step import _file
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.operators.shell import fire
from tests.unit.operators.spark_k8s.memory import World, connect
from tests.unit.operators.spark_k8s.step import GATE, GATED, PUBLISH, PUBLISHED, ends, shell
from tests.unit.operators.steps import SALTED

pytestmark = [pytest.mark.airflow]


def container(world: World) -> dict[str, Any]:
    """The driver's container."""
    [pod] = [one for one in world.documents if one["kind"] == "Pod"]
    found: dict[str, Any] = pod["spec"]["containers"][0]
    return found


def variables(world: World) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container(world)["env"]}


def properties(world: World) -> str:
    [config] = [one for one in world.documents if one["kind"] == "ConfigMap"]
    return str(config["data"]["spark.properties"])


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_driver_is_told_the_run_and_its_references_and_no_secret(
    world: World, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALT", "not-to-be-seen")
    ends(world, GATED)
    task = shell(GATE | SALTED, deferrable=deferrable)
    said = task.run()
    args = container(world)["args"]
    assert args[-2] == "airflow_dataops.jobs.on_spark"
    told = decode(args[-1])
    assert told["source"] == {"path": "s3://lake/b/2024-01-02"}
    assert (told["task"], told["run"]["key"], told["run"]["pipeline"]) == ("step", "2024-01-02T000000", "d")
    assert (told["run"]["timezone"], told["masks"]) == ("Europe/Paris", SALTED["masks"])
    assert list(world.secrets) == [variable_of("env:SALT")]
    assert "not-to-be-seen" not in json.dumps([world.documents, [*task.ti.store.values()]], default=str)
    assert (said["verdict"], said["run_key"], said["spark"]["driver_pod"]) == ("passed", "k", world.kube.made[0])
    assert (said["spark"]["exit_code"], "result" in said["spark"]) == (0, False)


def test_a_secret_that_the_cluster_has_does_not_leave_airflow(world: World) -> None:
    ends(world, GATED)
    existing = {"SALT": {"name": "salts", "key": "of-mails"}}
    shell(GATE | SALTED, app={"secret_env": existing}).run()
    assert variables(world)["SALT"] == {"secretKeyRef": {"name": "salts", "key": "of-mails"}}
    assert (variable_of("env:SALT") in variables(world), world.secrets) == (False, {})


def test_a_secret_that_nobody_has_is_told_before_a_driver_is_made(world: World) -> None:
    with pytest.raises(AirflowFailException, match="SECRET_MISSING"):
        shell(GATE | SALTED).run()
    assert world.kube.made == []


@pytest.mark.parametrize("engine", [one for one in ("duckdb", "spark") if one in get_args(EngineName)])
def test_settings_of_s3_reach_the_step_and_where_it_needs_them_s3a(world: World, engine: str) -> None:
    ends(world, GATED)
    place = {"endpoint_url": "http://s3:9000", "path_style": True, "conditional_writes": False}
    shell({**GATE, "engine": engine}, s3=place).run()
    found = variables(world)
    assert {name: found[name] for name in found if name.startswith("S3_")} == {
        "S3_ENDPOINT_URL": "http://s3:9000", "S3_PATH_STYLE": "true", "S3_CONDITIONAL_WRITES": "false"
    }  # fmt: skip
    assert ("spark.hadoop.fs.s3a.endpoint" in properties(world)) == (engine == "spark")


def test_keys_of_a_connection_reach_the_step_by_a_secret(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"endpoint_url": "http://s3:9000"}
    connect(monkeypatch, "lake", conn_type="aws", login="me", password="not-to-be-seen", extra=extra)
    ends(world, GATED)
    shell(GATE, aws_conn_id="lake").run()
    assert variables(world)["S3_ENDPOINT_URL"] == "http://s3:9000"
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(world.secrets)
    assert "not-to-be-seen" not in json.dumps(world.documents)


def test_two_places_for_s3_are_refused(world: World) -> None:
    with pytest.raises(AirflowFailException, match="S3_SETTINGS"):
        shell(GATE, aws_conn_id="lake", s3={"region": "eu"}).run()


def test_a_suite_goes_as_its_content(world: World, tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text('{"expectations": []}')
    ends(world, GATED)
    shell(GATE | {"suite": str(tmp_path / "suite.json")}).run()
    assert decode(container(world)["args"][-1])["suite"] == {"expectations": []}


def test_the_rows_that_were_published_are_in_the_events_of_the_asset(world: World) -> None:
    ends(world, PUBLISHED)
    asset = Asset(uri="s3://lake/s")
    task = shell(PUBLISH, outlets=[asset])
    task.run()
    assert task.context["outlet_events"][asset].extra == {
        "rows": 3, "run_key": "k", "files_added": 1, "files_removed": 0
    }  # fmt: skip


def test_a_wrong_step_is_refused_before_a_driver_is_made(world: World) -> None:
    with pytest.raises(AirflowFailException, match="JOB_SPEC_INVALID"):
        shell({**GATE, "slice": {"kind": "half"}}).run()
    assert world.kube.made == []


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    ("error", "raised"), [(GateFailed("no luck"), AirflowFailException), (RunConflict("no luck"), TransientError)]
)
def test_only_what_another_try_may_mend_is_tried_again(
    world: World, error: DataOpsError, raised: type[Exception], deferrable: bool
) -> None:
    ends(world, error)
    task = shell(GATE, deferrable=deferrable)
    with pytest.raises(raised, match=f"{error.code}: no luck") as caught:
        task.run()
    if raised is AirflowFailException:
        assert "Result page: https://" in str(caught.value)
    assert task.ti.xcom_pull(task_ids="step", key="dataops_spark_run")["failure"]["code"] == "APP_ERROR"


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_driver_that_said_why_it_failed_is_deleted_all_the_same(world: World, deferrable: bool) -> None:
    ends(world, GateFailed("no luck"))
    with pytest.raises(AirflowFailException, match="no luck"):
        shell(GATE, deferrable=deferrable, policy={"keep_failed_for": None}).run()
    assert world.kube.ours() == []


def test_a_driver_that_died_without_a_word_is_diagnosed(world: World) -> None:
    ends(world, Fate(exit_code=137, reason="OOMKilled"))
    with pytest.raises(AirflowFailException, match="DRIVER_OOM"):
        shell(GATE).run()


def test_a_driver_that_is_no_step_is_no_success(world: World) -> None:
    ends(world, Fate())
    with pytest.raises(AirflowFailException, match=r"RESULT_MISSING: .* airflow_dataops\.jobs\.on_spark"):
        shell(GATE).run()


def test_another_try_is_another_driver(world: World) -> None:
    ends(world, RunConflict("busy"), PUBLISHED)
    task = shell(PUBLISH)
    task.ti.max_tries = task.operator.retries = 3
    with pytest.raises(TransientError):
        task.run()
    task.ti.try_number = 2
    assert task.run()["rows"] == {"written": 3}
    assert len(world.kube.made) == 2


def test_a_deferral_that_timed_out_deletes_the_driver(world: World) -> None:
    task = shell(GATE)
    task.begin()
    assert world.works() + len(world.kube.ours()) > 0
    with pytest.raises(Exception, match="Trigger timeout"):
        task.break_off()
    world.settle()
    assert world.kube.ours() == []


def test_it_is_deleted_also_where_the_step_cannot_be_read_any_more(world: World, tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text('{"expectations": []}')
    task = shell(GATE | {"suite": str(tmp_path / "suite.json")})
    given = task.operator.app
    task.begin()
    task.operator.app = given  # Airflow goes on in another process
    (tmp_path / "suite.json").unlink()
    with pytest.raises(Exception, match="Trigger timeout"):
        task.break_off()
    world.settle()
    assert world.kube.ours() == []


def test_the_trigger_holds_no_secret(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALT", "not-to-be-seen")
    ends(world, GATED)
    trigger = shell(GATE | SALTED).begin()
    assert "not-to-be-seen" not in json.dumps(trigger.serialize())
    fire(trigger)


def test_mode_crd_starts_a_file_of_the_image(world: World) -> None:
    task = shell(GATE, mode="crd")
    task.operator._prepare(task.context)
    assert task.operator.app["main"] == "local:///opt/dataops/step.py"
    assert "module" not in task.operator.app


def test_mode_standalone_starts_a_file_of_the_worker() -> None:
    assert Path(_file("standalone")["program"]).is_file()


def test_the_driver_of_mode_standalone_runs_in_the_workers_python(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = shell(GATE, mode="standalone")
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    task.operator._prepare(task.context)
    assert task.operator.app["env"] == {"PYSPARK_DRIVER_PYTHON": sys.executable}
    monkeypatch.setenv("PYSPARK_PYTHON", "/opt/python3")
    other = shell(GATE, mode="standalone")
    other.operator._prepare(other.context)
    assert other.operator.app["env"] == {}
