# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes of the tests does what the tests rely on."""

from __future__ import annotations

import base64
import re

import pytest

from tests.services.kube.accounts import DRIVER, Namespace, pod, until
from tests.services.kube.api import Api, ApiError
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.podrunner import ARBITRARY_UID, PodRunner

STAMPED = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z "


def ended(namespace: Namespace, name: str) -> tuple[str, int, str, str]:
    status = namespace.wait(name)["status"]
    end = status["containerStatuses"][0]["state"]["terminated"]
    return status["phase"], end["exitCode"], end["reason"], end.get("message", "")


def test_a_pod_runs_to_its_end_and_its_log_has_times(namespace: Namespace) -> None:
    namespace.run("p", "sh", "-c", "echo one; echo two >&2; echo said > /dev/termination-log")
    assert ended(namespace, "p") == ("Succeeded", 0, "Completed", "said\n")
    assert re.fullmatch(f"{STAMPED}one\n{STAMPED}two\n", namespace.log("p", timestamps="true"))
    assert namespace.log("p", tailLines="1") == "two\n"


@pytest.mark.parametrize("code", [1, 7, 143])
def test_exit_codes_are_told_with_the_end_of_the_log(namespace: Namespace, code: int) -> None:
    container = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    namespace.run("p", "sh", "-c", f"echo boom >&2; exit {code}", container=container)
    assert ended(namespace, "p") == ("Failed", code, "Error", "boom\n")


def test_a_container_over_its_memory_is_killed(namespace: Namespace) -> None:
    program = "x = bytearray(300 << 20); import time; time.sleep(60)"
    limited = {"resources": {"limits": {"memory": "100Mi"}}}
    namespace.run("measured", "python3", "-c", program, container=limited)
    namespace.run("asked", "sleep", "60", annotations={"podrunner.test/oom": "main"})
    for name in ("measured", "asked"):
        assert ended(namespace, name)[:3] == ("Failed", 137, "OOMKilled")


def test_an_image_that_is_not_there_is_waited_for(namespace: Namespace) -> None:
    namespace.run("p", "true", container={"image": "registry.test/missing:1"})
    until(lambda: namespace.container("p").get("state", {}).get("waiting", {}).get("reason") == "ImagePullBackOff")
    assert namespace.pod("p")["status"]["phase"] == "Pending"
    assert {"BackOff", "Failed", "Scheduled"} <= set(namespace.events("p"))
    with pytest.raises(ApiError, match="waiting to start"):
        namespace.log("p")


def test_a_pod_starts_when_its_config_comes(namespace: Namespace) -> None:
    volume = {"name": "conf", "configMap": {"name": "later"}}
    mount = {"volumeMounts": [{"name": "conf", "mountPath": "/opt/conf"}]}
    namespace.run("p", "cat", "/opt/conf/a.conf", volumes=[volume], container=mount)
    until(lambda: "FailedMount" in namespace.events("p"))
    body = {"metadata": {"name": "later"}, "data": {"a.conf": "x=1"}}
    namespace.api("POST", namespace.path("configmaps"), body)
    assert ended(namespace, "p")[1] == 0
    assert namespace.log("p") == "x=1"


def test_a_secret_reaches_the_environment_only(namespace: Namespace) -> None:
    source = {"secretKeyRef": {"name": "keys", "key": "password"}}
    container = {"env": [{"name": "PW", "valueFrom": source}]}
    namespace.run("p", "sh", "-c", 'printf %s "$PW" | wc -c', container=container)
    until(
        lambda: (
            namespace.container("p").get("state", {}).get("waiting", {}).get("reason") == "CreateContainerConfigError"
        )
    )
    data = {"password": base64.b64encode(b"hunter2").decode()}
    namespace.api("POST", namespace.path("secrets"), {"metadata": {"name": "keys"}, "data": data})
    assert ended(namespace, "p")[1] == 0
    assert namespace.log("p") == "7\n"


def test_a_quota_refuses_what_does_not_fit(namespace: Namespace) -> None:
    namespace.quota(requests_cpu="1")
    with pytest.raises(
        ApiError, match=r"exceeded quota: quota, requested: requests\.cpu=2, used: requests\.cpu=0"
    ) as refused:
        namespace.run("p", "true", container={"resources": {"requests": {"cpu": "2"}}})
    assert refused.value.status == 403


def test_pod_security_refuses_root(namespace: Namespace) -> None:
    with pytest.raises(ApiError, match="violates PodSecurity") as refused:
        namespace.run("p", "true", securityContext={"runAsUser": 0})
    assert refused.value.status == 403


def test_a_pod_that_only_refuses_root_runs_as_any_user(namespace: Namespace, node: PodRunner) -> None:
    if not node.isolate:
        pytest.skip("needs root: containers run as this user otherwise")
    namespace.run("p", "id", "-u")
    namespace.wait("p")
    assert namespace.log("p") == f"{ARBITRARY_UID}\n"


def test_an_evicted_pod_says_so(namespace: Namespace, node: PodRunner) -> None:
    namespace.run("p", "sleep", "60")
    namespace.wait("p", "Running")
    node.evict(namespace.name, "p")
    status = namespace.wait("p", "Failed")["status"]
    assert (status["reason"], "low on resource" in status["message"]) == ("Evicted", True)


def test_a_pod_over_its_deadline_is_ended(namespace: Namespace) -> None:
    namespace.run("p", "sleep", "60", activeDeadlineSeconds=1)
    assert namespace.wait("p", "Failed")["status"]["reason"] == "DeadlineExceeded"


def test_a_deleted_pod_gets_its_grace_and_takes_along_what_it_owns(namespace: Namespace) -> None:
    program = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    namespace.run("p", "sh", "-c", program, terminationGracePeriodSeconds=20)
    until(lambda: namespace.container("p").get("state", {}).get("running") and namespace.log("p"))
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": namespace.pod("p")["metadata"]["uid"]}
    namespace.api("POST", namespace.path("configmaps"), {"metadata": {"name": "c", "ownerReferences": [owner]}})
    namespace.api("DELETE", namespace.path("pods", "p"))
    until(lambda: namespace.pod("p") is None and namespace.api.get(namespace.path("configmaps", "c")) is None)


def test_a_container_that_fails_is_started_again_and_its_earlier_log_is_kept(namespace: Namespace) -> None:
    program = "if [ -e /scratch/x ]; then echo second; else touch /scratch/x; echo first; exit 3; fi"
    mount = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}
    changes = {"restartPolicy": "OnFailure", "volumes": [{"name": "scratch", "emptyDir": {}}]}
    namespace.run("p", "sh", "-c", program, container=mount, **changes)
    assert ended(namespace, "p")[1] == 0
    assert (namespace.container("p")["restartCount"], namespace.log("p"), namespace.log("p", previous="true")) == (
        1,
        "second\n",
        "first\n",
    )


def test_a_pod_without_room_is_not_scheduled(namespace: Namespace) -> None:
    namespace.run("p", "true", container={"resources": {"requests": {"cpu": "100"}}})
    until(lambda: "FailedScheduling" in namespace.events("p"))
    # The scheduler tells the event and the pod's status by two calls, in no order.
    conditions = until(lambda: namespace.pod("p")["status"].get("conditions"))
    assert "Insufficient cpu" in conditions[0]["message"]


def test_accounts_may_do_what_they_need_and_no_more(namespace: Namespace, kube: KubeServer) -> None:
    airflow, driver = Api(kube, namespace.token()), Api(kube, namespace.token(DRIVER))
    airflow("POST", namespace.path("pods"), pod("mine", "true"))
    driver("POST", namespace.path("pods"), pod("executor", "true"))
    refused = [
        (airflow, "GET", namespace.path("secrets")),
        (airflow, "GET", "/api/v1/namespaces/default/pods"),
        (airflow, "GET", "/api/v1/nodes"),
        (driver, "GET", namespace.path("secrets")),
        (driver, "GET", namespace.path("pods", "mine/log")),
    ]
    for api, method, path in refused:
        with pytest.raises(ApiError, match="is forbidden: User") as error:
            api(method, path)
        assert error.value.status == 403


def test_an_account_that_is_deleted_is_known_no_more(namespace: Namespace, kube: KubeServer) -> None:
    api = Api(kube, namespace.token())
    namespace.revoke()
    with pytest.raises(ApiError, match="Unauthorized") as error:
        api("GET", namespace.path("pods"))
    assert error.value.status == 401


def test_a_pod_reaches_the_api_as_its_own_account(namespace: Namespace) -> None:
    place = "/var/run/secrets/kubernetes.io/serviceaccount"
    program = (
        "import os, ssl, urllib.request as u; e = os.environ;"
        f"t = open('{place}/token').read(); n = open('{place}/namespace').read();"
        "a = f\"https://{e['KUBERNETES_SERVICE_HOST']}:{e['KUBERNETES_SERVICE_PORT']}/api/v1/namespaces/{n}/pods\";"
        f"c = ssl.create_default_context(cafile='{place}/ca.crt');"
        "print(u.urlopen(u.Request(a, headers={'Authorization': 'Bearer ' + t}), context=c).status)"
    )
    namespace.run("p", "python3", "-c", program, serviceAccountName=DRIVER)
    assert (ended(namespace, "p")[1], namespace.log("p")) == (0, "200\n")
