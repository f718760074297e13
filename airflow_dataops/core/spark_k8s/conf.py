# SPDX-License-Identifier: Apache-2.0
"""Spark's properties: defaults, then the user's, then what makes the run findable and what has a field of its own.

No property holds a secret: executors get theirs by ``secretKeyRef``, as the driver does. Plain variables are no properties either
(``spark.executorEnv``): Kubernetes expands ``$(NAME)`` in them for the executor, and Spark hands them to its Python unexpanded.
"""

from __future__ import annotations

from datetime import timedelta

from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.profiles import CONF_DIR, EXECUTOR_CONTAINER, TMP
from airflow_dataops.core.spark_k8s.sizes import factor, overhead
from airflow_dataops.core.spark_k8s.spec import DynamicExecutors, RunParts, SecretKeyRef, SparkApp

PROPERTIES, EXECUTOR_TEMPLATE, LAUNCHER = "spark.properties", "executor-pod-template.yaml", "run_module.py"
DRIVER_PORT, BLOCK_PORT, UI_PORT = 7078, 7079, 4040

DEFAULTS = {
    "spark.sql.adaptive.enabled": "true",
    "spark.decommission.enabled": "true",
    "spark.storage.decommission.enabled": "true",
    # Dead executors stay, to be asked why; they go with their driver.
    "spark.kubernetes.executor.deleteOnTermination": "false",
    # An arbitrary user's home cannot be written to.
    "spark.jars.ivy": f"{TMP}/.ivy2",
}
"""Properties that ``conf`` may change."""


def direct_conf(run: RunParts, identity: RunIdentity, attempt: int) -> dict[str, str]:
    """Return the properties of a driver whose pod we create."""
    app, target = run.app, run.target
    driver = names.driver_name(identity, attempt)
    ours = {
        "spark.master": f"k8s://{target.api_server}",
        "spark.submit.deployMode": "client",
        "spark.app.id": driver,
        "spark.kubernetes.submitInDriver": "true",  # the service account's token, and files fetched as in cluster mode
        "spark.kubernetes.driver.pod.name": driver,  # executors are owned by it, and go with it
        "spark.kubernetes.executor.podNamePrefix": driver,
        "spark.kubernetes.executor.podTemplateFile": f"{CONF_DIR}/{EXECUTOR_TEMPLATE}",
        "spark.kubernetes.executor.podTemplateContainerName": EXECUTOR_CONTAINER,
        "spark.kubernetes.resource.type": "python" if app.python else "java",
        "spark.driver.port": str(DRIVER_PORT),
        "spark.driver.blockManager.port": str(BLOCK_PORT),
        "spark.driver.memory": app.driver.memory.spark,
    }
    if app.service:
        ours["spark.driver.host"] = f"{names.service_name(driver)}.{target.namespace}.svc"
    if app.executor.memory_overhead is not None:
        ours["spark.executor.memoryOverhead"] = app.executor.memory_overhead.spark
    else:
        ours["spark.executor.memoryOverheadFactor"] = f"{factor(app.executor, app.python):g}"
    common = _cluster(run) | _executors(app) | _executor_size(app) | event_log_conf(app) | _lists(app)
    return DEFAULTS | app.conf | common | _secrets(run, driver, names.EXECUTOR) | _marks(run, identity, attempt) | ours


def application_conf(run: RunParts, identity: RunIdentity, attempt: int) -> dict[str, str]:
    """Return the properties of a SparkApplication of either kind: what spark-submit in cluster mode wants to know.

    Names of pods and the application's id are the operator's to choose.
    """
    app = run.app
    ours = {
        "spark.driver.memory": app.driver.memory.spark,
        "spark.driver.memoryOverhead": overhead(app.driver, app.python).spark,
        "spark.executor.memoryOverhead": overhead(app.executor, app.python).spark,
        "spark.kubernetes.driver.request.cores": str(app.driver.cores),
    }
    if app.driver.cpu_limit is not None:
        ours["spark.kubernetes.driver.limit.cores"] = str(app.driver.cpu_limit)
    common = _cluster(run) | _executors(app) | _executor_size(app) | event_log_conf(app) | _lists(app)
    return DEFAULTS | app.conf | common | own_conf(run, identity, attempt) | ours


def own_conf(run: RunParts, identity: RunIdentity, attempt: int) -> dict[str, str]:
    """Return the properties of a SparkApplication that no document of the user's changes: secrets' places and executors' marks."""
    driver = names.driver_name(identity, attempt)
    both = _secrets(run, driver, names.EXECUTOR) | _secrets(run, driver, names.DRIVER)
    return both | _marks(run, identity, attempt)


def event_log_conf(app: SparkApp) -> dict[str, str]:
    """Return the properties of the event log, which the History Server reads."""
    if app.event_log is None:
        return {}
    return {"spark.eventLog.enabled": "true", "spark.eventLog.dir": app.event_log}


def dynamic_conf(bounds: DynamicExecutors) -> dict[str, str]:
    """Return the properties of dynamic allocation, with shuffle tracking: there is no shuffle service on Kubernetes."""
    key = "spark.dynamicAllocation"
    return {
        f"{key}.enabled": "true",
        f"{key}.shuffleTracking.enabled": "true",
        f"{key}.shuffleTracking.timeout": _seconds(bounds.shuffle_idle),
        f"{key}.executorIdleTimeout": _seconds(bounds.idle),
        f"{key}.minExecutors": str(bounds.minimum),
        f"{key}.initialExecutors": str(bounds.minimum if bounds.initial is None else bounds.initial),
        f"{key}.maxExecutors": str(bounds.maximum),
    }


def secret_of(source: SecretKeyRef | str, variable: str, driver: str) -> SecretKeyRef:
    """Return where in the cluster a variable's value is: as given, or in the Secret that lives as long as the driver."""
    if isinstance(source, SecretKeyRef):
        return source
    return SecretKeyRef(name=names.secret_name(driver), key=variable)


def literal(text: str) -> str:
    """Return a text of which Kubernetes expands nothing: in arguments and variables ``$(NAME)`` is a reference, and ``$$`` one ``$``."""
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def _cluster(run: RunParts) -> dict[str, str]:
    app, target = run.app, run.target
    conf = {
        "spark.app.name": app.name,
        "spark.kubernetes.namespace": target.namespace,
        "spark.kubernetes.driver.master": target.api_server,  # what a driver submitted in cluster mode asks, instead of spark.master
        "spark.kubernetes.authenticate.driver.serviceAccountName": target.service_account,
        "spark.kubernetes.container.image.pullPolicy": app.image_pull_policy,
    }
    if app.image is not None:
        conf["spark.kubernetes.container.image"] = app.image
    if app.image_pull_secrets:
        conf["spark.kubernetes.container.image.pullSecrets"] = ",".join(app.image_pull_secrets)
    return conf


def _executors(app: SparkApp) -> dict[str, str]:
    if isinstance(app.executors, DynamicExecutors):
        return dynamic_conf(app.executors)
    return {"spark.executor.instances": str(app.executors)}


def _executor_size(app: SparkApp) -> dict[str, str]:
    size = app.executor
    conf = {
        "spark.executor.cores": str(size.cores.slots),
        "spark.executor.memory": size.memory.spark,
        "spark.kubernetes.executor.request.cores": str(size.cores),
    }
    if size.cpu_limit is not None:
        conf["spark.kubernetes.executor.limit.cores"] = str(size.cpu_limit)
    if size.pyspark_memory is not None:
        conf["spark.executor.pyspark.memory"] = size.pyspark_memory.spark
    return conf


def _lists(app: SparkApp) -> dict[str, str]:
    given = {"spark.submit.pyFiles": app.py_files, "spark.jars": app.jars, "spark.files": app.files}
    return {key: ",".join(uris) for key, uris in given.items() if uris}


def _secrets(run: RunParts, driver: str, role: str) -> dict[str, str]:
    conf = {}
    for name, source in run.app.secret_env.items():
        found = secret_of(source, name, driver)
        conf[f"spark.kubernetes.{role}.secretKeyRef.{name}"] = f"{found.name}:{found.key}"
    return conf


def _marks(run: RunParts, identity: RunIdentity, attempt: int) -> dict[str, str]:
    key = "spark.kubernetes.executor"
    labels = {f"{key}.label.{name}": value for name, value in names.labels_of(run, identity, attempt).items()}
    notes = {f"{key}.annotation.{name}": value for name, value in names.annotations_of(run, identity).items()}
    return labels | notes


def _seconds(length: timedelta) -> str:
    return f"{max(1, int(length.total_seconds()))}s"
