# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.application import application
from airflow_dataops.core.spark_k8s.merge import Document
from airflow_dataops.core.spark_k8s.names import driver_name
from airflow_dataops.core.spark_k8s.spec import ApplicationApi, RunParts
from tests.unit.core.spark_k8s.samples import IDENTITY, document, parts

# Fields of the two definitions (Kubeflow's operator 2.1, Apache's 0.4), as far as they are about a program.
KUBEFLOW_SPEC = {
    "type",
    "sparkVersion",
    "mode",
    "proxyUser",
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "mainClass",
    "mainApplicationFile",
    "arguments",
    "sparkConf",
    "hadoopConf",
    "sparkConfigMap",
    "hadoopConfigMap",
    "volumes",
    "driver",
    "executor",
    "deps",
    "restartPolicy",
    "nodeSelector",
    "failureRetries",
    "retryInterval",
    "pythonVersion",
    "memoryOverheadFactor",
    "monitoring",
    "batchScheduler",
    "timeToLiveSeconds",
    "batchSchedulerOptions",
    "sparkUIOptions",
    "driverIngressOptions",
    "dynamicAllocation",
}
KUBEFLOW_POD = {
    "template",
    "cores",
    "coreLimit",
    "coreRequest",
    "memory",
    "memoryOverhead",
    "image",
    "env",
    "labels",
    "annotations",
    "serviceAccount",
}
KUBEFLOW_DYNAMIC = {"enabled", "initialExecutors", "minExecutors", "maxExecutors", "shuffleTrackingTimeout"}
APACHE_SPEC = {
    "mainClass",
    "runtimeVersions",
    "jars",
    "pyFiles",
    "sparkRFiles",
    "files",
    "deploymentMode",
    "proxyUser",
    "driverArgs",
    "applicationTolerations",
    "driverSpec",
    "executorSpec",
    "driverServiceIngressList",
    "configMapSpecs",
    "sparkConf",
}
APACHE_TOLERATIONS = {
    "restartConfig",
    "applicationTimeoutConfig",
    "instanceConfig",
    "resourceRetainPolicy",
    "resourceRetainDurationMillis",
    "ttlAfterStopMillis",
}
APIS = [ApplicationApi.KUBEFLOW, ApplicationApi.APACHE]


def spec_of(api: ApplicationApi, path: str | None = None, value: Any = None) -> Document:
    return dict(application(parts(path, value), IDENTITY, 1, api)["spec"])


def jar(**more: Any) -> RunParts:
    whole = document()
    whole["app"] |= {"main": "s3a://code/job.jar", "main_class": "com.example.Job", **more}
    return RunParts.model_validate(whole)


def test_only_fields_of_kubeflows_definition_are_written() -> None:
    spec = spec_of(ApplicationApi.KUBEFLOW)
    assert set(spec) <= KUBEFLOW_SPEC
    assert set(spec["driver"]) <= KUBEFLOW_POD
    assert set(spec["executor"]) <= KUBEFLOW_POD | {"instances", "deleteOnTermination"}
    assert set(spec["dynamicAllocation"]) <= KUBEFLOW_DYNAMIC


def test_only_fields_of_apaches_definition_are_written() -> None:
    spec = spec_of(ApplicationApi.APACHE)
    assert set(spec) <= APACHE_SPEC
    assert set(spec["applicationTolerations"]) <= APACHE_TOLERATIONS
    assert (set(spec["driverSpec"]), set(spec["executorSpec"])) == ({"podTemplateSpec"}, {"podTemplateSpec"})


@pytest.mark.parametrize("api", APIS)
def test_the_kind_follows_the_target_or_the_argument(api: ApplicationApi) -> None:
    by_target = application(parts("target.application_api", api.value), IDENTITY, 1)
    assert by_target["apiVersion"] == application(parts(), IDENTITY, 1, api)["apiVersion"] == api.value
    assert by_target["metadata"]["name"] == driver_name(IDENTITY, 1)


def test_no_operator_restarts_anything() -> None:
    assert spec_of(ApplicationApi.KUBEFLOW)["restartPolicy"] == {"type": "Never"}
    tolerations = spec_of(ApplicationApi.APACHE)["applicationTolerations"]
    assert tolerations["restartConfig"] == {"restartPolicy": "Never"}
    assert tolerations["resourceRetainPolicy"] == "Always"
    assert tolerations["applicationTimeoutConfig"]["driverStartTimeoutMillis"] == 600_000


def test_sizes_of_kubeflows_pods() -> None:
    spec = spec_of(ApplicationApi.KUBEFLOW)
    driver, executor = spec["driver"], spec["executor"]
    assert (driver["cores"], driver["coreRequest"], driver["memory"], driver["memoryOverhead"]) == (
        1,
        "500m",
        "1024m",
        "409m",
    )
    assert (executor["cores"], executor["coreLimit"], executor["memory"], executor["memoryOverhead"]) == (
        2,
        "2",
        "2048m",
        "819m",
    )
    assert "coreLimit" not in driver


def test_executors_of_kubeflow_may_go_down_to_none_or_be_a_number() -> None:
    assert spec_of(ApplicationApi.KUBEFLOW)["dynamicAllocation"]["minExecutors"] == 0
    fixed = spec_of(ApplicationApi.KUBEFLOW, "app.executors", 3)
    assert fixed["executor"]["instances"] == 3
    assert "dynamicAllocation" not in fixed


def test_a_python_program() -> None:
    kubeflow, apache = spec_of(ApplicationApi.KUBEFLOW), spec_of(ApplicationApi.APACHE)
    assert (kubeflow["type"], kubeflow["mainApplicationFile"]) == ("Python", "local:///opt/app/job.py")
    assert kubeflow["arguments"] == apache["driverArgs"] == ["--day", "2026-11-21", "3", "true"]
    assert apache["pyFiles"] == "local:///opt/app/job.py"
    assert "jars" not in apache


def test_jars_of_a_python_program_do_not_make_it_a_java_one() -> None:
    spec = spec_of(ApplicationApi.APACHE, "app.jars", ["local:///delta.jar"])
    assert "jars" not in spec
    assert spec["sparkConf"]["spark.jars"] == "local:///delta.jar"
    assert spec_of(ApplicationApi.KUBEFLOW, "app.jars", ["local:///delta.jar"])["deps"] == {
        "jars": ["local:///delta.jar"]
    }


def test_a_java_program() -> None:
    kubeflow = application(jar(), IDENTITY, 1, ApplicationApi.KUBEFLOW)["spec"]
    assert (kubeflow["type"], kubeflow["mainClass"]) == ("Scala", "com.example.Job")
    apache = application(jar(jars=["local:///a.jar"]), IDENTITY, 1, ApplicationApi.APACHE)["spec"]
    assert (apache["jars"], apache["mainClass"]) == ("s3a://code/job.jar", "com.example.Job")
    assert apache["sparkConf"]["spark.jars"] == "s3a://code/job.jar,local:///a.jar"


def test_the_driver_can_be_found_by_the_runs_labels() -> None:
    labels = application(parts(), IDENTITY, 1)["metadata"]["labels"]
    assert spec_of(ApplicationApi.KUBEFLOW)["driver"]["labels"] == labels
    conf = spec_of(ApplicationApi.APACHE)["sparkConf"]
    assert {key: conf[f"spark.kubernetes.driver.label.{key}"] for key in labels} == labels


@pytest.mark.parametrize("api", APIS)
def test_the_pods_are_let_in_and_end_by_themselves(api: ApplicationApi) -> None:
    spec = spec_of(api, "app.pod_template", {"spec": {"nodeSelector": {"disk": "ssd"}}})
    apache = api is ApplicationApi.APACHE
    template = spec["driverSpec"]["podTemplateSpec"] if apache else spec["driver"]["template"]
    assert template["spec"]["activeDeadlineSeconds"] == 7800
    assert template["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False
    assert template["spec"]["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"
    env = {entry["name"]: entry["value"] for entry in template["spec"]["containers"][0]["env"]}
    assert env == {"HOME": "/tmp", "TZ": "UTC", "DATAOPS_RESULT": "/dev/termination-log"}
    executor = spec["executorSpec"]["podTemplateSpec"] if apache else spec["executor"]["template"]
    assert executor["spec"]["containers"][0]["name"] == "spark-kubernetes-executor"


@pytest.mark.parametrize(
    ("written", "whole"), [("3.5", "3.5.0"), ("3.5.7", "3.5.7"), ("4.0", "4.0.0"), ("4.1.1", "4.1.1")]
)
def test_operators_want_a_whole_version(written: str, whole: str) -> None:
    assert spec_of(ApplicationApi.KUBEFLOW, "app.spark_version", written)["sparkVersion"] == whole
    assert spec_of(ApplicationApi.APACHE, "app.spark_version", written)["runtimeVersions"] == {"sparkVersion": whole}
