# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.driver_pod import driver_pod, executor_template
from airflow_dataops.core.spark_k8s.merge import Document
from airflow_dataops.core.spark_k8s.names import driver_name, owns, run_labels
from airflow_dataops.core.spark_k8s.spec import RunParts
from tests.unit.core.spark_k8s.samples import IDENTITY, changed, parts

DRIVER = driver_name(IDENTITY, 1)


def pod(path: str | None = None, value: Any = None) -> Document:
    return driver_pod(parts(path, value), IDENTITY, 1)


def main_of(document: Document) -> Document:
    (found,) = [one for one in document["spec"]["containers"] if one["name"].startswith("spark-kubernetes-")]
    return dict(found)


def env_of(document: Document) -> dict[str, Any]:
    entries = main_of(document)["env"]
    found = {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}
    assert len(found) == len(entries)
    return found


def test_the_driver_ends_once_and_by_itself() -> None:
    spec = pod()["spec"]
    assert (spec["restartPolicy"], spec["activeDeadlineSeconds"], spec["serviceAccountName"]) == (
        "Never",
        7800,
        "spark",
    )


def test_the_driver_is_found_by_name_and_labels() -> None:
    metadata = pod()["metadata"]
    assert (metadata["name"], metadata["namespace"]) == (DRIVER, "analytics")
    assert metadata["labels"]["spark-role"] == "driver"
    assert metadata["labels"]["spark-app-selector"] == DRIVER


def test_the_entrypoint_of_sparks_image_is_told_what_to_run() -> None:
    assert main_of(pod())["args"] == [
        "driver",
        "--properties-file",
        "/opt/spark/conf/spark.properties",
        "--conf",
        "spark.driver.host=$(SPARK_DRIVER_BIND_ADDRESS)",
        "local:///opt/app/job.py",
        "--day",
        "2026-11-21",
        "3",
        "true",
    ]


def test_a_class_and_a_service() -> None:
    whole = changed("app.main", "s3a://code/job.jar")
    whole["app"] |= {"main_class": "com.example.Job", "service": True}
    args = main_of(driver_pod(RunParts.model_validate(whole), IDENTITY, 1))["args"]
    assert args[3:6] == ["--class", "com.example.Job", "s3a://code/job.jar"]


def test_a_module_is_started_by_a_file_of_ours() -> None:
    whole = changed("app.module", "jobs.refine")
    del whole["app"]["main"]
    args = main_of(driver_pod(RunParts.model_validate(whole), IDENTITY, 1))["args"]
    assert args[5:7] == ["local:///opt/spark/conf/run_module.py", "jobs.refine"]


def test_arguments_and_variables_are_not_expanded() -> None:
    assert main_of(pod("app.args", ["$(HOME)", "a$b", "$$"]))["args"][-3:] == ["$$(HOME)", "a$b", "$$$$"]
    assert env_of(pod("app.env", {"X": "$(HOME)"}))["X"] == "$$(HOME)"


def test_secrets_are_references() -> None:
    env = env_of(pod())
    assert env["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "s3", "key": "id"}}
    assert env["AWS_SECRET_ACCESS_KEY"] == {"secretKeyRef": {"name": f"{DRIVER}-env", "key": "AWS_SECRET_ACCESS_KEY"}}


def test_the_program_knows_where_its_result_goes() -> None:
    assert env_of(pod())["DATAOPS_RESULT"] == "/dev/termination-log"
    assert env_of(pod("app.result", "s3a://b/r.json"))["DATAOPS_RESULT"] == "s3a://b/r.json"
    assert "DATAOPS_RESULT" not in env_of(pod("app.result", None))


def test_openshift_gets_no_user_and_all_of_restricted() -> None:
    spec = pod()["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert main_of(pod())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert env_of(pod())["HOME"] == "/tmp"


def test_kind_gets_the_images_user() -> None:
    context = pod("app.profile", "kind")["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (185, 185, 185)


def test_plain_gets_nothing_but_a_folder_to_spill_into() -> None:
    document = pod("app.profile", "plain")
    assert "securityContext" not in document["spec"]
    assert "securityContext" not in main_of(document)
    assert [volume["name"] for volume in document["spec"]["volumes"]] == ["spark-local-dir-1", "spark-conf"]
    assert "HOME" not in env_of(document)


def test_every_mount_has_its_volume() -> None:
    document = pod()
    mounted = {mount["name"] for mount in main_of(document)["volumeMounts"]}
    assert mounted == {volume["name"] for volume in document["spec"]["volumes"]}
    assert env_of(document)["SPARK_LOCAL_DIRS"] in [mount["mountPath"] for mount in main_of(document)["volumeMounts"]]


TEMPLATE = {
    "metadata": {"labels": {"cost": "a"}, "annotations": {"x": "y"}},
    "spec": {
        "nodeSelector": {"disk": "ssd"},
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "5Gi"}}, {"name": "ca", "configMap": {"name": "ca"}}],
        "containers": [
            {"name": "proxy", "image": "proxy:1"},
            {
                "name": "spark-kubernetes-driver",
                "resources": {"limits": {"ephemeral-storage": "10Gi"}},
                "env": [{"name": "HOME", "value": "/home"}],
                "volumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
                "securityContext": {"readOnlyRootFilesystem": True},
            },
        ],
    },
}


def test_the_template_adds_and_replaces() -> None:
    document = pod("app.pod_template", TEMPLATE)
    main = main_of(document)
    assert document["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert document["metadata"]["labels"]["cost"] == "a"
    assert [one["name"] for one in document["spec"]["containers"]] == ["spark-kubernetes-driver", "proxy"]
    assert main["resources"]["limits"] == {"memory": "1433Mi", "ephemeral-storage": "10Gi"}
    assert env_of(document)["HOME"] == "/home"
    assert main["securityContext"]["readOnlyRootFilesystem"] is True
    assert main["securityContext"]["runAsNonRoot"] is True
    assert {"name": "tmp", "emptyDir": {"sizeLimit": "5Gi"}} in document["spec"]["volumes"]


@pytest.mark.parametrize(
    "template",
    [
        {"metadata": {"name": "mine", "namespace": "other", "labels": {"managed-by": "me", "dataops-run": None}}},
        {"spec": {"restartPolicy": "Always", "serviceAccountName": "admin", "activeDeadlineSeconds": None}},
        {"spec": {"containers": [{"name": "spark-kubernetes-driver", "args": ["x"], "image": "other"}]}},
        {
            "spec": {
                "containers": [{"name": "spark-kubernetes-driver", "env": [{"name": "SPARK_CONF_DIR", "value": "/x"}]}]
            }
        },
        {"spec": {"containers": None, "volumes": None}},
    ],
)
def test_what_is_ours_stands_over_a_template_that_no_rule_has_seen(template: dict[str, Any]) -> None:
    document, plain = pod("app.pod_template", template), pod()
    for key in ("name", "namespace"):
        assert document["metadata"][key] == plain["metadata"][key]
    assert owns(document["metadata"]["labels"], run_labels(IDENTITY))
    for key in ("restartPolicy", "serviceAccountName", "activeDeadlineSeconds"):
        assert document["spec"][key] == plain["spec"][key]
    for key in ("args", "image"):
        assert main_of(document)[key] == main_of(plain)[key]
    assert env_of(document)["SPARK_CONF_DIR"] == "/opt/spark/conf"


def test_the_executors_template_leaves_to_spark_what_is_sparks() -> None:
    document = executor_template(parts().app)
    assert set(document) == {"apiVersion", "kind", "spec"}
    assert set(main_of(document)) == {"name", "env", "securityContext", "volumeMounts"}


def test_executors_get_plain_variables_by_their_template_and_secret_ones_by_spark() -> None:
    env = env_of(executor_template(parts("app.env", {"HOME": "/home", "X": "$(Y)"}).app))
    assert env == {"HOME": "/home", "X": "$$(Y)"}
    whole = parts("app.secret_env", {"HOME": "env:HOME"})
    assert env_of(executor_template(whole.app)) == {"TZ": "UTC"}


def test_pull_secrets_and_policy() -> None:
    whole = pod("app.image_pull_secrets", ["registry"])
    assert whole["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert main_of(pod("app.image_pull_policy", "Always"))["imagePullPolicy"] == "Always"


def test_the_manifest_is_json() -> None:
    assert json.loads(json.dumps(pod("app.pod_template", TEMPLATE))) == pod("app.pod_template", TEMPLATE)
