# SPDX-License-Identifier: Apache-2.0
"""A SparkApplication for the operator in the cluster: Kubeflow's ``sparkoperator.k8s.io/v1beta2`` or Apache's ``spark.apache.org/v1``.

Only fields of those definitions are written, since the API server drops others without a word. Restarts are the run's own decision, so the
operator must not make any. Kubeflow's needs ``spec.driver.template``, which its operator has from 2.1 on.
"""

from __future__ import annotations

from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.application_document import laid_on
from airflow_dataops.core.spark_k8s.conf import application_conf, literal, own_conf
from airflow_dataops.core.spark_k8s.driver_pod import (
    TERMINATION_LOG,
    deadline_seconds,
    executor_template,
    program_args,
    template_base,
)
from airflow_dataops.core.spark_k8s.merge import Document, merge
from airflow_dataops.core.spark_k8s.profiles import DRIVER_CONTAINER
from airflow_dataops.core.spark_k8s.sizes import overhead
from airflow_dataops.core.spark_k8s.spec import ApplicationApi, DynamicExecutors, PodSize, RunParts

_PATCHES = {"3.5": "3.5.0"}  # both operators want a whole version; what runs is what the image has


def application(run: RunParts, identity: RunIdentity, attempt: int, api: ApplicationApi | None = None) -> Document:
    """Return the SparkApplication of the run's n-th driver.

    Args:
        run: What is asked for.
        identity: The run.
        attempt: Number of the driver.
        api: Which definition; None takes ``target.application_api``.
    """
    chosen = api or run.target.application_api
    kubeflow = chosen is ApplicationApi.KUBEFLOW
    spec = _kubeflow(run, identity, attempt) if kubeflow else _apache(run, identity, attempt)
    if run.app.application:
        ours = _kubeflow_ours(run, identity, attempt) if kubeflow else _apache_ours(run, identity, attempt)
        spec = merge(laid_on(spec, run.app), ours)
    own = run.app.application.get("metadata") or {}
    metadata = {
        "name": names.driver_name(identity, attempt),
        "namespace": run.target.namespace,
        "labels": names.labels_of(run, identity, attempt),
        "annotations": names.annotations_of(run, identity),
    }
    return {"apiVersion": chosen.value, "kind": "SparkApplication", "metadata": merge(own, metadata), "spec": spec}


def _kubeflow_ours(run: RunParts, identity: RunIdentity, attempt: int) -> Document:
    """Return what no document of the user's changes: what makes the run findable, what ends it, and where its secrets are."""
    driver = {
        "labels": _driver_labels(run, identity, attempt),
        "annotations": names.annotations_of(run, identity),
        "template": {"spec": _driver_spec(run)},
    }
    return {"mode": "cluster", "sparkConf": own_conf(run, identity, attempt), "driver": driver}


def _apache_ours(run: RunParts, identity: RunIdentity, attempt: int) -> Document:
    conf = own_conf(run, identity, attempt) | _driver_marks(run, identity, attempt)
    return {"sparkConf": conf, "driverSpec": {"podTemplateSpec": {"spec": _driver_spec(run)}}}


def _kubeflow(run: RunParts, identity: RunIdentity, attempt: int) -> Document:
    app = run.app
    # Each of these has a field; given twice, the field would win by the order of spark-submit's options.
    fields = {"spark.app.name", "spark.kubernetes.namespace", "spark.jars", "spark.files", "spark.submit.pyFiles"}
    conf = {key: value for key, value in application_conf(run, identity, attempt).items() if key not in fields}
    conf["spark.app.name"] = app.name  # the operator's own name for it is that of the object
    main, *args = program_args(run)  # no main where the user's document names it
    deps = {"jars": app.jars, "files": app.files, "pyFiles": app.py_files}
    spec: Document = {
        "type": "Python" if app.python else "Scala",
        "pythonVersion": "3" if app.python else None,
        "mode": "cluster",
        "sparkVersion": _version(app.spark_version),
        "image": app.image,
        "imagePullPolicy": app.image_pull_policy,
        "imagePullSecrets": app.image_pull_secrets,
        "mainClass": app.main_class,
        "mainApplicationFile": main,
        "arguments": args,
        "sparkConf": conf,
        "deps": _given(deps),
        "restartPolicy": {"type": "Never"},
        "driver": {
            **_kubeflow_pod(app.driver, app.python),
            "serviceAccount": run.target.service_account,
            "labels": _driver_labels(run, identity, attempt),
            "annotations": names.annotations_of(run, identity),
            "template": _driver_template(run),
        },
        "executor": {**_kubeflow_pod(app.executor, app.python), "template": _without_head(executor_template(app))},
    }
    wanted = app.executors
    if isinstance(wanted, DynamicExecutors):
        first = wanted.minimum if wanted.initial is None else wanted.initial
        bounds = {"minExecutors": wanted.minimum, "maxExecutors": wanted.maximum, "initialExecutors": first}
        shuffle = int(wanted.shuffle_idle.total_seconds() * 1000)
        spec["dynamicAllocation"] = {"enabled": True, **bounds, "shuffleTrackingTimeout": shuffle}
    else:
        spec["executor"]["instances"] = wanted
    return _given(spec)


def _kubeflow_pod(size: PodSize, python: bool) -> Document:
    return _given(
        {
            "cores": size.cores.slots,
            "coreRequest": str(size.cores),
            "coreLimit": str(size.cpu_limit) if size.cpu_limit is not None else None,
            "memory": size.memory.spark,
            "memoryOverhead": overhead(size, python).spark,
        }
    )


def _apache(run: RunParts, identity: RunIdentity, attempt: int) -> Document:
    app = run.app
    conf = application_conf(run, identity, attempt)
    conf |= _driver_marks(run, identity, attempt)
    main, *args = program_args(run)
    start = int(run.policy.start_timeout.total_seconds() * 1000)
    if not app.python and app.jars:
        conf["spark.jars"] = ",".join([main, *app.jars])
    return _given(
        {
            "mainClass": app.main_class,
            # With jars the operator would take a Python program for a Java one: its jars are properties.
            "pyFiles": main if app.python else None,
            "jars": None if app.python else main,
            "driverArgs": args,
            "sparkConf": conf,
            "runtimeVersions": {"sparkVersion": _version(app.spark_version)},
            "applicationTolerations": {
                "restartConfig": {"restartPolicy": "Never"},
                "resourceRetainPolicy": "Always",  # else the driver, and why it failed, is gone before anybody has looked
                "applicationTimeoutConfig": {"driverStartTimeoutMillis": start, "driverReadyTimeoutMillis": start},
            },
            "driverSpec": {"podTemplateSpec": _driver_template(run)},
            "executorSpec": {"podTemplateSpec": _without_head(executor_template(app))},
        }
    )


def _driver_template(run: RunParts) -> Document:
    """Return profile and user's template under what is ours; Spark adds image, arguments, size and environment."""
    app = run.app
    base = template_base(app, DRIVER_CONTAINER)
    return _without_head(merge(merge(base, app.pod_template), {"spec": _driver_spec(run)}))


def _driver_spec(run: RunParts) -> Document:
    """Return what is ours of the driver pod's spec."""
    app = run.app
    ours: Document = {"name": DRIVER_CONTAINER, "terminationMessagePolicy": "FallbackToLogsOnError"}
    if app.result is not None:
        place = TERMINATION_LOG if app.result == "termination" else literal(app.result)
        ours["env"] = [{"name": "DATAOPS_RESULT", "value": place}]
    return {"activeDeadlineSeconds": deadline_seconds(run.policy), "containers": [ours]}


def _driver_labels(run: RunParts, identity: RunIdentity, attempt: int) -> dict[str, str]:
    return names.labels_of(run, identity, attempt)


def _driver_marks(run: RunParts, identity: RunIdentity, attempt: int) -> dict[str, str]:
    """Return the properties that mark a driver pod which has no fields for that."""
    key = "spark.kubernetes.driver"
    labels = {f"{key}.label.{name}": value for name, value in _driver_labels(run, identity, attempt).items()}
    notes = {f"{key}.annotation.{name}": value for name, value in names.annotations_of(run, identity).items()}
    return labels | notes


def _without_head(template: Document) -> Document:
    return {key: value for key, value in template.items() if key in ("metadata", "spec")}


def _version(written: str) -> str:
    return written if written.count(".") > 1 else _PATCHES.get(written, f"{written}.0")


def _given(spec: Document) -> Document:
    return {key: value for key, value in spec.items() if value is not None and value not in ([], {})}
