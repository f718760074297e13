# SPDX-License-Identifier: Apache-2.0
"""Properties and variables that are not the user's to set: what has a field of its own, and what makes a run findable."""

from __future__ import annotations

FIELDS = {
    "spark.app.name": "name",
    "spark.driver.cores": "driver.cores",
    "spark.driver.memory": "driver.memory",
    "spark.driver.memoryOverhead": "driver.memory_overhead",
    "spark.driver.memoryOverheadFactor": "driver.memory_overhead_factor",
    "spark.dynamicAllocation.enabled": "executors",
    "spark.dynamicAllocation.executorIdleTimeout": "executors.idle",
    "spark.dynamicAllocation.initialExecutors": "executors.initial",
    "spark.dynamicAllocation.maxExecutors": "executors.maximum",
    "spark.dynamicAllocation.minExecutors": "executors.minimum",
    "spark.dynamicAllocation.shuffleTracking.enabled": "executors",
    "spark.dynamicAllocation.shuffleTracking.timeout": "executors.shuffle_idle",
    "spark.eventLog.dir": "event_log",
    "spark.eventLog.enabled": "event_log",
    "spark.executor.cores": "executor.cores",
    "spark.executor.instances": "executors",
    "spark.executor.memory": "executor.memory",
    "spark.executor.memoryOverhead": "executor.memory_overhead",
    "spark.executor.memoryOverheadFactor": "executor.memory_overhead_factor",
    "spark.executor.pyspark.memory": "executor.pyspark_memory",
    "spark.files": "files",
    "spark.jars": "jars",
    "spark.kubernetes.container.image": "image",
    "spark.kubernetes.container.image.pullPolicy": "image_pull_policy",
    "spark.kubernetes.container.image.pullSecrets": "image_pull_secrets",
    "spark.kubernetes.driver.container.image": "image",
    "spark.kubernetes.driver.limit.cores": "driver.cpu_limit",
    "spark.kubernetes.driver.podTemplateFile": "pod_template",
    "spark.kubernetes.driver.request.cores": "driver.cores",
    "spark.kubernetes.executor.limit.cores": "executor.cpu_limit",
    "spark.kubernetes.executor.podTemplateFile": "executor_template",
    "spark.kubernetes.executor.request.cores": "executor.cores",
    "spark.kubernetes.memoryOverheadFactor": "executor.memory_overhead_factor",
    "spark.submit.pyFiles": "py_files",
}
"""Properties that a field of ``app`` sets."""

PREFIXES = {
    "spark.executorEnv.": "env or secret_env",
    "spark.kubernetes.driver.annotation.": "annotations",
    "spark.kubernetes.driver.label.": "labels",
    "spark.kubernetes.driver.secretKeyRef.": "secret_env",
    "spark.kubernetes.driverEnv.": "env or secret_env",
    "spark.kubernetes.executor.annotation.": "annotations",
    "spark.kubernetes.executor.label.": "labels",
    "spark.kubernetes.executor.secretKeyRef.": "secret_env",
}
"""The same for whole families."""

DRIVER_POD = {
    "spark.kubernetes.driver.node.selector.": "nodeSelector",
    "spark.kubernetes.driver.scheduler.name": "schedulerName",
    "spark.kubernetes.driver.secrets.": "volumes",
    "spark.kubernetes.driver.volumes.": "volumes",
}
"""Properties of which spark-submit makes the driver's pod, and no driver that runs reads them: what a pod template has for each."""

OURS = frozenset(
    {
        "spark.app.id",
        "spark.driver.bindAddress",
        "spark.driver.blockManager.port",
        "spark.driver.host",
        "spark.driver.port",
        "spark.kubernetes.authenticate.driver.serviceAccountName",
        "spark.kubernetes.driver.master",
        "spark.kubernetes.driver.pod.name",
        "spark.kubernetes.executor.podNamePrefix",
        "spark.kubernetes.executor.podTemplateContainerName",
        "spark.kubernetes.namespace",
        "spark.kubernetes.resource.type",
        "spark.kubernetes.submitInDriver",
        "spark.master",
        "spark.submit.deployMode",
    }
)
"""What makes the driver and its executors one run that can be found again."""

VARIABLES = frozenset(
    {
        "DATAOPS_RESULT",
        "SPARK_APPLICATION_ID",
        "SPARK_CONF_DIR",
        "SPARK_DRIVER_BIND_ADDRESS",
        "SPARK_LOCAL_DIRS",
        "SPARK_USER",
        "SPARK_DRIVER_POD_IP",
    }
)
"""The same for variables."""


def field_for(key: str) -> str | None:
    """Return the field of ``app`` that sets the property; None where the property is free."""
    if key in FIELDS:
        return FIELDS[key]
    return next((field for prefix, field in PREFIXES.items() if key.startswith(prefix)), None)


def template_for(key: str) -> str | None:
    """Return what of a pod's spec the property stands for where spark-submit makes the driver's pod; None for every other property."""
    return next((part for prefix, part in DRIVER_POD.items() if key.startswith(prefix)), None)
