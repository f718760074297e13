# SPDX-License-Identifier: Apache-2.0
"""The driver's pod. What makes it the one driver of its run stands over the user's template; the template stands over all else."""

from __future__ import annotations

import math
from typing import Any

from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.conf import (
    BLOCK_PORT,
    DRIVER_PORT,
    LAUNCHER,
    PROPERTIES,
    UI_PORT,
    literal,
    secret_of,
)
from airflow_dataops.core.spark_k8s.merge import Document, merge
from airflow_dataops.core.spark_k8s.profiles import CONF_DIR, DRIVER_CONTAINER, EXECUTOR_CONTAINER, SCRATCH, pod_base
from airflow_dataops.core.spark_k8s.sizes import driver_requests
from airflow_dataops.core.spark_k8s.spec import Policy, RunParts, SparkApp

TERMINATION_LOG = "/dev/termination-log"
_ADDRESS = "SPARK_DRIVER_BIND_ADDRESS"
_PORTS = {"driver-rpc-port": DRIVER_PORT, "blockmanager": BLOCK_PORT, "spark-ui": UI_PORT}


def driver_pod(run: RunParts, identity: RunIdentity, attempt: int) -> Document:
    """Return the manifest of the driver's pod: profile and fields, then ``pod_template``, then what is ours.

    Ours are: name, namespace, the labels and annotations that name the run, ``restartPolicy``, the service account, the deadline; and of
    the container ``spark-kubernetes-driver`` image, arguments, termination message, and how Spark finds its settings.
    """
    base = pod_base(run.app.profile, DRIVER_CONTAINER, scratch=True)
    fields = merge(base, _fields(run, names.driver_name(identity, attempt)))
    return merge(merge(fields, run.app.pod_template), _ours(run, identity, attempt))


def executor_template(app: SparkApp) -> Document:
    """Return the pod template that Spark makes executors of: profile and variables, then ``executor_template``; Spark sets the rest."""
    base = template_base(app, EXECUTOR_CONTAINER)
    return merge(merge(base, app.executor_template), {"apiVersion": "v1", "kind": "Pod"})


def template_base(app: SparkApp, container: str) -> Document:
    """Return profile and plain variables of a pod that Spark itself makes, and puts the secret ones into."""
    base = pod_base(app.profile, container, scratch=False)
    main = base["spec"]["containers"][0]
    # Kubernetes would take two of a name, and warn.
    main["env"] = [entry for entry in main.get("env", []) if entry["name"] not in app.secret_env]
    return merge(base, {"spec": {"containers": [{"name": container, "env": plain_env(app)}]}})


def plain_env(app: SparkApp) -> list[Document]:
    """Return the variables that hold no secret."""
    return [{"name": name, "value": literal(value)} for name, value in app.env.items()]


def program_args(run: RunParts) -> list[str]:
    """Return what follows the options of spark-submit: the file, and the program's own arguments as texts."""
    app = run.app
    given = [literal(argument(value)) for value in app.args]
    if app.module is not None:
        return [f"local://{CONF_DIR}/{LAUNCHER}", app.module, *given]
    return [app.main or "", *given]


def deadline_seconds(policy: Policy) -> int:
    """Return after how long the cluster ends a driver that nobody looks after any more."""
    return math.ceil((policy.start_timeout + policy.run_timeout).total_seconds())


def _fields(run: RunParts, driver: str) -> Document:
    app = run.app
    env = plain_env(app)
    for name, source in app.secret_env.items():
        found = secret_of(source, name, driver)
        env.append({"name": name, "valueFrom": {"secretKeyRef": {"name": found.name, "key": found.key}}})
    container = {
        "name": DRIVER_CONTAINER,
        "imagePullPolicy": app.image_pull_policy,
        "resources": driver_requests(app).resources(),
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in _PORTS.items()],
        "env": env,
    }
    # Otherwise each Service of the namespace puts seven variables into the environment.
    spec: Document = {"enableServiceLinks": False, "containers": [container]}
    if app.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in app.image_pull_secrets]
    return {"spec": spec}


def _ours(run: RunParts, identity: RunIdentity, attempt: int) -> Document:
    app, target = run.app, run.target
    driver = names.driver_name(identity, attempt)
    labels = {**names.labels_of(run, identity, attempt), names.ROLE: names.DRIVER, names.APP_SELECTOR: driver}
    container: dict[str, Any] = {
        "name": DRIVER_CONTAINER,
        "image": app.image,
        "args": _command(run),
        "env": _own_env(app, driver),
        "volumeMounts": [{"name": "spark-conf", "mountPath": CONF_DIR}],
        "terminationMessagePath": TERMINATION_LOG,
        # Without a message of its own, a failed driver's is the end of its log.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": driver,
            "namespace": target.namespace,
            "labels": labels,
            "annotations": names.annotations_of(run, identity),
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": target.service_account,
            "activeDeadlineSeconds": deadline_seconds(run.policy),
            "containers": [container],
            "volumes": [{"name": "spark-conf", "configMap": {"name": names.config_name(driver)}}],
        },
    }


def _command(run: RunParts) -> list[str]:
    # "driver" is what the entrypoint of Spark's image makes into spark-submit in client mode.
    args = ["driver", "--properties-file", f"{CONF_DIR}/{PROPERTIES}"]
    if not run.app.service:
        args += ["--conf", f"spark.driver.host=$({_ADDRESS})"]
    if run.app.main_class is not None:
        args += ["--class", run.app.main_class]
    return args + program_args(run)


def _own_env(app: SparkApp, driver: str) -> list[Document]:
    own = {"SPARK_APPLICATION_ID": driver, "SPARK_CONF_DIR": CONF_DIR, "SPARK_LOCAL_DIRS": SCRATCH}
    if app.result is not None:
        own["DATAOPS_RESULT"] = TERMINATION_LOG if app.result == "termination" else literal(app.result)
    address = {"name": _ADDRESS, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}
    return [address, *({"name": name, "value": value} for name, value in own.items())]


def argument(value: str | bool | float) -> str:
    """Return an argument of the program as text: ``true`` and ``false`` as YAML writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
