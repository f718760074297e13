# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.application import application
from airflow_dataops.core.spark_k8s.names import ATTEMPT, MANAGED_BY, RUN, driver_name
from airflow_dataops.core.spark_k8s.profiles import DRIVER_CONTAINER as DRIVER
from airflow_dataops.core.spark_k8s.run import faults_of, parse
from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from tests.unit.core.spark_k8s.samples import IDENTITY, document

KUBEFLOW, APACHE = ApplicationApi.KUBEFLOW, ApplicationApi.APACHE


def given(spec: Any = None, api: ApplicationApi = KUBEFLOW, **more: Any) -> dict[str, Any]:
    """Return the sample in mode crd with a document; ``main`` and the rest of ``more`` are fields of app."""
    whole = document()
    whole["target"] |= {"mode": "crd", "application_api": api.value}
    head = more.pop("head", {})
    whole["app"] |= {"application": head | ({} if spec is None else {"spec": spec}), **more}
    return whole


def made(spec: Any = None, api: ApplicationApi = KUBEFLOW, **more: Any) -> dict[str, Any]:
    return application(parse(given(spec, api, **more)), IDENTITY, 1)


def codes(spec: Any = None, api: ApplicationApi = KUBEFLOW, **more: Any) -> set[str]:
    return {fault.code for fault in faults_of(given(spec, api, **more))}


class TestADocument:
    def test_wins_over_fields_and_defaults(self) -> None:
        spec = made({"image": "other:1", "restartPolicy": {"type": "OnFailure", "onFailureRetries": 2}})["spec"]
        assert spec["image"] == "other:1"
        assert spec["restartPolicy"] == {"type": "OnFailure", "onFailureRetries": 2}
        assert "spark.kubernetes.container.image" not in spec["sparkConf"]

    def test_is_laid_on_what_it_does_not_name(self) -> None:
        spec = made({"sparkConf": {"spark.a": "1"}, "driver": {"template": {"spec": {"nodeSelector": {"d": "ssd"}}}}})[
            "spec"
        ]
        assert (spec["sparkConf"]["spark.a"], spec["sparkConf"]["spark.sql.shuffle.partitions"]) == ("1", "64")
        assert spec["driver"]["template"]["spec"]["nodeSelector"] == {"d": "ssd"}
        assert spec["driver"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True

    def test_takes_away_what_it_says_none_to(self) -> None:
        assert (
            "securityContext"
            not in made({"driver": {"template": {"spec": {"securityContext": None}}}})["spec"]["driver"]["template"][
                "spec"
            ]
        )

    @pytest.mark.parametrize("api", [KUBEFLOW, APACHE])
    def test_never_changes_by_what_the_run_is_found_and_ended(self, api: ApplicationApi) -> None:
        template = {"spec": {"containers": [{"name": "spark-kubernetes-driver", "tty": True}]}}
        pod = {"template": template, "labels": {"mine": "x"}} if api is KUBEFLOW else {"podTemplateSpec": template}
        whole = made(
            {"driver" if api is KUBEFLOW else "driverSpec": pod}, api, head={"metadata": {"labels": {"mine": "x"}}}
        )
        labels = whole["metadata"]["labels"]
        assert whole["metadata"]["name"] == driver_name(IDENTITY, 1)
        assert {MANAGED_BY, RUN, ATTEMPT, "mine"} <= set(labels)
        driver = whole["spec"]["driver" if api is KUBEFLOW else "driverSpec"]
        spec = driver["template" if api is KUBEFLOW else "podTemplateSpec"]["spec"]
        assert spec["activeDeadlineSeconds"] == 7800
        assert spec["containers"][0]["tty"] is True
        assert spec["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"
        marks = (
            driver["labels"]
            if api is KUBEFLOW
            else {
                key.removeprefix("spark.kubernetes.driver.label."): value
                for key, value in whole["spec"]["sparkConf"].items()
            }
        )
        assert marks[RUN] == labels[RUN]

    @pytest.mark.parametrize(
        ("pod", "code"),
        [
            ({"spec": {"activeDeadlineSeconds": 1}}, "TEMPLATE_OURS"),
            ({"spec": {"serviceAccountName": "x"}}, "TEMPLATE_OURS"),
            ({"spec": {"containers": [{"name": DRIVER, "terminationMessagePolicy": "File"}]}}, "TEMPLATE_OURS"),
            ({"spec": {"containers": [{"name": DRIVER, "image": "x"}]}}, "TEMPLATE_OURS"),
            ({"spec": {"containers": [{"image": "x"}]}}, "BAD_TEMPLATE"),
            ({"spec": {"containers": [{"name": DRIVER, "env": [{"name": "SPARK_CONF_DIR"}]}]}}, "VARIABLE_IS_OURS"),
            ({"spec": {"volumes": "none"}}, "BAD_TEMPLATE"),
            ({"metadata": {"name": "mine"}}, "TEMPLATE_OURS"),
            ({"metadata": {"labels": {MANAGED_BY: "me"}}}, "RESERVED_LABEL"),
            ({"metadata": {"annotations": {"a b": "x"}}}, "BAD_ANNOTATION_KEY"),
            ({"spec": {"hostNetwork": True}}, "SCC_REFUSES"),
            ({"status": {}}, "BAD_TEMPLATE"),
            ("none", "BAD_TEMPLATE"),
        ],
    )
    @pytest.mark.parametrize("api", [KUBEFLOW, APACHE])
    def test_has_pods_of_which_the_rules_of_templates_hold(self, api: ApplicationApi, pod: Any, code: str) -> None:
        role, key = ("driver", "template") if api is KUBEFLOW else ("driverSpec", "podTemplateSpec")
        faults = faults_of(given({role: {key: pod}}, api))
        assert [(one.code, one.path.startswith(f"app.application.spec.{role}.{key}")) for one in faults] == [
            (code, True)
        ]

    @pytest.mark.parametrize(
        ("pod", "path"),
        [
            ({"hostNetwork": True}, "hostNetwork"),
            ({"podSecurityContext": {"fsGroup": 185}}, "podSecurityContext.fsGroup"),
            ({"podSecurityContext": {"runAsNonRoot": False}}, "podSecurityContext.runAsNonRoot"),
            ({"securityContext": {"runAsUser": 185}}, "securityContext.runAsUser"),
            ({"securityContext": {"privileged": True}}, "securityContext.privileged"),
            ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, "securityContext.seccompProfile.type"),
            ({"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}, "securityContext.capabilities.add"),
            (
                {"sidecars": [{"name": "s", "securityContext": {"runAsUser": 1}}]},
                "sidecars.s.securityContext.runAsUser",
            ),
            (
                {"initContainers": [{"name": "i", "ports": [{"containerPort": 1, "hostPort": 1}]}]},
                "initContainers.i.ports",
            ),
        ],
    )
    @pytest.mark.parametrize("role", ["driver", "executor"])
    def test_has_fields_of_which_openshifts_rules_hold_too(self, role: str, pod: dict[str, Any], path: str) -> None:
        [fault] = faults_of(given({role: pod}))
        assert (fault.code, fault.path) == ("SCC_REFUSES", f"app.application.spec.{role}.{path}")
        assert codes({role: pod}, profile="plain") == set()

    def test_has_volumes_of_which_they_hold_too(self) -> None:
        volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "ssd", "hostPath": {"path": "/mnt/ssd"}}]
        [fault] = faults_of(given({"volumes": volumes}))
        assert (fault.code, fault.path) == ("SCC_REFUSES", "app.application.spec.volumes.ssd")
        assert codes({"volumes": volumes}, profile="plain") == set()

    @pytest.mark.parametrize("api", [KUBEFLOW, APACHE])
    def test_has_properties_of_which_they_hold_too(self, api: ApplicationApi) -> None:
        ssd = "spark.kubernetes.executor.volumes.hostPath.ssd"
        conf = {f"{ssd}.mount.path": "/ssd", f"{ssd}.options.path": "/mnt/ssd"}
        [fault] = faults_of(given({"sparkConf": conf}, api))
        assert (fault.code, fault.path) == ("SCC_REFUSES", f"app.application.spec.sparkConf.{ssd}.mount.path")
        assert codes({"sparkConf": conf}, api, profile="plain") == set()

    def test_may_drop_rights_and_have_sidecars(self) -> None:
        context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
        pod = {"securityContext": context, "sidecars": [{"name": "s", "image": "i", "securityContext": context}]}
        assert codes({"driver": {**pod, "podSecurityContext": {"runAsNonRoot": True}}, "executor": pod}) == set()

    def test_has_executors_with_fewer_things_of_ours(self) -> None:
        pod = {"spec": {"serviceAccountName": "x", "restartPolicy": "Never"}}
        [fault] = faults_of(given({"executor": {"template": pod}}))
        assert fault.path == "app.application.spec.executor.template.spec.restartPolicy"

    def test_tells_a_secret_in_a_template_once(self) -> None:
        env = [{"name": "DB_PASSWORD", "value": "hunter2"}]
        pod = {"spec": {"containers": [{"name": DRIVER, "env": env}]}}
        assert [one.code for one in faults_of(given({"driver": {"template": pod}}))] == ["SECRET_IN_TEMPLATE"]

    def test_that_says_a_pods_memory_leaves_none_of_our_overhead(self) -> None:
        spec = made({"driver": {"memory": "8g"}})["spec"]
        assert spec["driver"]["memory"] == "8g"
        assert not {"memoryOverhead"} & set(spec["driver"])
        assert not [key for key in spec["sparkConf"] if key.startswith("spark.driver.memory")]
        assert spec["executor"]["memoryOverhead"] == "819m"

    def test_that_says_it_by_properties_does_so_too(self) -> None:
        conf = made({"sparkConf": {"spark.executor.memory": "8g", "spark.executor.instances": "3"}}, APACHE)["spec"][
            "sparkConf"
        ]
        assert conf["spark.executor.memory"] == "8g"
        assert "spark.executor.memoryOverhead" not in conf
        assert not [key for key in conf if key.startswith("spark.dynamicAllocation")]

    @pytest.mark.parametrize(("file", "kind"), [("x.py", "Python"), ("x.R", "R"), ("x.jar", "Scala")])
    def test_may_name_the_program(self, file: str, kind: str) -> None:
        spec = made({"mainApplicationFile": f"local:///opt/app/{file}"}, main=None)["spec"]
        assert (spec["type"], spec["mainApplicationFile"]) == (kind, f"local:///opt/app/{file}")
        assert spec["arguments"] == ["--day", "2026-11-21", "3", "true"]
        assert "pythonVersion" not in spec

    def test_of_apache_may_name_it_too(self) -> None:
        spec = made({"jars": "local:///x.jar", "mainClass": "a.B", "driverArgs": ["1"]}, APACHE, main=None)["spec"]
        assert (spec["jars"], spec["mainClass"], spec["driverArgs"], spec.get("pyFiles")) == (
            "local:///x.jar",
            "a.B",
            ["1"],
            None,
        )

    def test_may_name_the_image(self) -> None:
        assert codes({"driver": {"image": "d"}, "executor": {"image": "e"}}, image=None) == set()
        assert codes({"sparkConf": {"spark.kubernetes.container.image": "d"}}, APACHE, image=None) == set()
        assert codes({"executor": {"image": "e"}}, image=None) == {"IMAGE_MISSING"}

    def test_makes_another_program_of_the_run(self) -> None:
        one, other = (made({"arguments": [text]})["metadata"]["labels"]["dataops-spec"] for text in "ab")
        assert one != other


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ({"kind": "ScheduledSparkApplication"}, "BAD_APPLICATION"),
        ({"status": {}}, "BAD_APPLICATION"),
        ({"spec": []}, "BAD_APPLICATION"),
        ({"spec": {"driver": "x"}}, "BAD_APPLICATION"),
        ({"spec": {"x": {1, 2}}}, "BAD_APPLICATION"),
        ({"apiVersion": "spark.apache.org/v1"}, "APPLICATION_API"),
        ({"metadata": {"name": "mine"}}, "APPLICATION_OURS"),
        ({"metadata": {"labels": {"dataops-run": "x"}}}, "RESERVED_LABEL"),
        ({"metadata": {"annotations": {"dataops/dag-id": "x"}}}, "RESERVED_ANNOTATION"),
        ({"spec": {"driver": {"labels": {"managed-by": "me"}}}}, "RESERVED_LABEL"),
        ({"spec": {"mode": "client"}}, "APPLICATION_OURS"),
        ({"spec": {"deploymentMode": "ClientMode"}}, "APPLICATION_OURS"),
        ({"spec": {"restartPolicy": {"type": "Always"}}}, "APPLICATION_NEVER_ENDS"),
        (
            {"spec": {"applicationTolerations": {"restartConfig": {"restartPolicy": "Always"}}}},
            "APPLICATION_NEVER_ENDS",
        ),
        ({"spec": {"timeToLiveSeconds": 30}}, "APPLICATION_TOO_SHORT"),
        ({"spec": {"applicationTolerations": {"ttlAfterStopMillis": 1000}}}, "APPLICATION_TOO_SHORT"),
        ({"spec": {"mainApplicationFile": "local:///x.py"}}, "PROGRAM_TWICE"),
        ({"spec": {"sparkConf": {"spark.a": True}}}, "BAD_VALUE"),
        ({"spec": {"sparkConf": {"spark.app.id": "x"}}}, "PROPERTY_IS_OURS"),
        ({"spec": {"sparkConf": {"spark.kubernetes.executor.label.dataops-run": "x"}}}, "PROPERTY_IS_OURS"),
        ({"spec": {"sparkConf": {"spark.hadoop.fs.s3a.secret.key": "x"}}}, "SECRET_IN_CONF"),
        ({"spec": {"hadoopConf": {"fs.s3a.secret.key": "x"}}}, "SECRET_IN_CONF"),
        ({"spec": {"driver": {"envVars": {"DB_PASSWORD": "x"}}}}, "SECRET_IN_CONF"),
        ({"spec": {"driver": {"env": [{"name": "DB_PASSWORD", "value": "x"}]}}}, "SECRET_IN_TEMPLATE"),
        ({"spec": {"arguments": ["--password=hunter2"]}}, "SECRET_IN_TEMPLATE"),
    ],
)
def test_what_is_ours_or_cannot_end_is_refused(head: dict[str, Any], code: str) -> None:
    assert codes(head=head) == {code}


def test_no_secret_is_shown_in_a_fault() -> None:
    found = faults_of(given({"sparkConf": {"spark.password": "hunter2"}, "hadoopConf": {"a.token": "hunter2"}}))
    assert len(found) == 2
    assert "hunter2" not in repr(found)


def test_other_modes_have_no_use_for_it() -> None:
    whole = given({"image": "x"})
    whole["target"]["mode"] = "direct"
    assert {fault.code for fault in faults_of(whole)} == {"APPLICATION_UNUSED"}
