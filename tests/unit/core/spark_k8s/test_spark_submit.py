# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.spark_k8s.links import console_url, history_url
from airflow_dataops.core.spark_k8s.spark_submit import IN_PODS_ONLY, spark_submit, standalone_env, without_effect
from airflow_dataops.core.spark_k8s.spec import RunParts, SecretKeyRef
from airflow_dataops.core.spark_k8s.storage import with_storage
from tests.unit.core.spark_k8s.samples import document, parts

PROVIDER = "spark.hadoop.fs.s3a.aws.credentials.provider"


def submitted(master: str = "spark://host:7077", **app: Any) -> tuple[list[str], dict[str, str]]:
    whole = document()
    whole["app"] |= app
    command = spark_submit(RunParts.model_validate(whole), master)
    settings = [command[at + 1] for at, word in enumerate(command) if word == "--conf"]
    return command, dict(setting.split("=", 1) for setting in settings)


def test_the_command_ends_with_the_program_and_its_arguments() -> None:
    command, _ = submitted()
    assert command[:7] == [
        "spark-submit",
        "--master",
        "spark://host:7077",
        "--deploy-mode",
        "client",
        "--name",
        "flights",
    ]
    assert command[-5:] == ["local:///opt/app/job.py", "--day", "2026-11-21", "3", "true"]


def test_a_cluster_gets_executors_and_a_laptop_none() -> None:
    _, cluster = submitted()
    assert (cluster["spark.dynamicAllocation.maxExecutors"], cluster["spark.executor.cores"]) == ("4", "2")
    assert submitted(executors=3)[1]["spark.cores.max"] == "6"
    _, laptop = submitted("local[*]")
    assert [key for key in laptop if key.startswith(("spark.executor", "spark.dynamicAllocation"))] == []
    assert laptop["spark.sql.adaptive.enabled"] == "true"


@pytest.mark.parametrize("master", ["spark://host:7077", "local[2]"])
def test_the_bound_of_an_executor_s_python_holds_on_every_master(master: str) -> None:
    _, conf = submitted(master, executor={"memory": "2g", "pyspark_memory": "700m"})
    assert conf["spark.executor.pyspark.memory"] == "700m"


def test_nothing_about_kubernetes_is_said() -> None:
    _, conf = submitted(conf={"spark.kubernetes.executor.deleteOnTermination": "true"})
    assert [key for key in conf if key.startswith("spark.kubernetes")] == []


def test_secrets_go_by_the_environment_only() -> None:
    command, _ = submitted()
    assert [word for word in command if "AWS" in word or "s3.password" in word] == []
    assert standalone_env(parts().app) == ({"TZ": "UTC"}, {"AWS_SECRET_ACCESS_KEY": "conn:s3.password"})


def test_the_result_of_a_file_is_told_to_the_program() -> None:
    assert standalone_env(parts("app.result", "s3a://b/r.json").app)[0]["DATAOPS_RESULT"] == "s3a://b/r.json"


def test_workers_do_not_look_for_keys_in_an_environment_that_they_do_not_have() -> None:
    _, conf = submitted(conf={PROVIDER: "com.amazonaws.auth.EnvironmentVariableCredentialsProvider"})
    assert PROVIDER not in conf
    _, kept = submitted(conf={PROVIDER: "com.example.Own"})
    assert kept[PROVIDER] == "com.example.Own"


def test_files_and_class_have_options() -> None:
    command, _ = submitted(
        main="/a/job.jar", main_class="x.Y", jars=["/a.jar", "/b.jar"], py_files=["/c.zip"], files=["/d"]
    )
    options = dict(itertools.pairwise(command))
    assert (options["--class"], options["--jars"], options["--py-files"], options["--files"]) == (
        "x.Y",
        "/a.jar,/b.jar",
        "/c.zip",
        "/d",
    )


def test_without_a_master_or_a_file_there_is_no_command() -> None:
    with pytest.raises(SpecError, match=r"target\.master"):
        spark_submit(parts())
    with pytest.raises(SpecError, match=r"app\.main"):
        spark_submit(parts("app.main", None), "local[*]")


def test_a_stores_settings_are_added_under_the_users_own() -> None:
    app = parts(
        "app.conf", {"spark.hadoop.fs.s3a.connection.maximum": 9, "spark.driver.extraJavaOptions": "-Xss4m"}
    ).app
    conf = {
        "spark.hadoop.fs.s3a.connection.maximum": "64",
        "spark.hadoop.fs.s3a.endpoint": "https://s3",
        "spark.driver.extraJavaOptions": "-Da=b",
    }
    env: dict[str, SecretKeyRef | str] = {"AWS_ACCESS_KEY_ID": "conn:other.login", "AWS_SESSION_TOKEN": "env:T"}
    stored = with_storage(app, conf, env)
    assert stored.conf == {
        "spark.hadoop.fs.s3a.connection.maximum": "9",
        "spark.hadoop.fs.s3a.endpoint": "https://s3",
        "spark.driver.extraJavaOptions": "-Da=b -Xss4m",
    }
    assert stored.secret_env["AWS_ACCESS_KEY_ID"] == SecretKeyRef(name="s3", key="id")
    assert stored.secret_env["AWS_SESSION_TOKEN"] == "env:T"


def test_links() -> None:
    assert history_url(parts(), "app-1") is None
    assert history_url(parts("target.history_server", "https://h/x/"), "app-1") == "https://h/x/history/app-1/jobs/"
    own = {"spec": {"sparkConf": {"spark.eventLog.enabled": "true", "spark.eventLog.dir": "s3a://logs"}}}
    whole = document()
    whole["app"] |= {"application": own, "event_log": None}
    whole["target"]["history_server"] = "https://h"
    assert history_url(RunParts.model_validate(whole), "a") == "https://h/history/a/jobs/"
    own["spec"]["sparkConf"]["spark.eventLog.enabled"] = "false"
    assert history_url(RunParts.model_validate(whole), "a") is None
    assert console_url(parts("target.console", "https://c"), "p-1") == "https://c/k8s/ns/analytics/pods/p-1"
    assert console_url(parts(), "p-1") is None


def test_what_is_only_for_pods_is_told_and_nothing_else() -> None:
    app = {
        "image": "spark:3.5",
        "conf": {},
        "driver": {"memory": "2g", "cores": 2},
        "executor": {"pyspark_memory": "1g"},
    }
    target = {"master": "spark://host:7077", "namespace": "data", "history_server": "https://history.example.com"}
    run = RunParts.model_validate({"app": app, "target": target, "policy": {"run_timeout": "1h", "attempts": 3}})
    assert without_effect(run) == ["app.driver.cores", "app.image", "policy.attempts", "target.namespace"]


def test_each_name_that_is_only_for_pods_is_a_field() -> None:
    for part, names in IN_PODS_ONLY.items():
        assert names <= set(RunParts.model_fields[part].annotation.model_fields)  # type: ignore[union-attr]
