# SPDX-License-Identifier: Apache-2.0
"""What a user asks for: a Spark program, where it runs, and how patiently.

The types say what a value is; :mod:`~airflow_dataops.core.spark_k8s.rules` says which values Kubernetes and Spark take.
:class:`~airflow_dataops.core.spark_k8s.run.SparkRun` is all of it, checked.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from airflow_dataops.core.durations import Duration
from airflow_dataops.core.model import Model
from airflow_dataops.core.spark_k8s.quantities import Cpu, CpuAmount, Memory, MemoryAmount

MINUTE = timedelta(minutes=1)
Scalar = str | bool | int | float
Mode = Literal["direct", "crd", "standalone"]


class Profile(StrEnum):
    """The cluster's habits that pods have to fit."""

    OPENSHIFT = "openshift"  # restricted-v2: no user or group of one's own
    KIND = "kind"  # the image's user, 185
    PLAIN = "plain"  # nothing of ours


class ApplicationApi(StrEnum):
    """Group and version of the SparkApplication that the cluster's operator watches."""

    KUBEFLOW = "sparkoperator.k8s.io/v1beta2"
    APACHE = "spark.apache.org/v1"


def _text_of(value: Any) -> Any:
    """Return a property as Spark writes it: YAML's true and 4 are texts to Spark."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_text_of)]


class SecretKeyRef(Model):
    """One key of a Secret that is in the namespace already.

    Attributes:
        name: Name of the Secret.
        key: Key in it.
    """

    name: str
    key: str


class PodSize(Model):
    """How large one pod is.

    Attributes:
        cores: What is asked of the cluster, in any form of Kubernetes's: ``500m``, ``0.5``, ``2``. Spark runs as many tasks at once as
            whole cores fit in, at least one.
        cpu_limit: Most that the pod may take; None for no limit, as Spark does. A quota on ``limits.cpu`` needs one.
        memory: The heap, in Spark's or Kubernetes's form: ``1g``, ``512Mi``.
        memory_overhead: What the container has beside the heap; None takes Spark's share of it.
        memory_overhead_factor: That share; None takes 0.1, for Python 0.4. At least 384 MiB.
    """

    cores: CpuAmount = Cpu(1000)
    cpu_limit: CpuAmount | None = None
    memory: MemoryAmount = Memory(1024)
    memory_overhead: MemoryAmount | None = None
    memory_overhead_factor: float | None = None


class ExecutorSize(PodSize):
    """How large one executor is.

    Attributes:
        pyspark_memory: Most that an executor's Python may take, beside heap and overhead; None sets no bound.
    """

    pyspark_memory: MemoryAmount | None = None


class DynamicExecutors(Model):
    """As many executors as there is work for.

    Attributes:
        minimum: Never fewer; 0 gives all of them back while nothing runs.
        maximum: Never more.
        initial: At the start; None takes ``minimum``.
        idle: An executor without work and without shuffle data that is needed is given back after so long.
        shuffle_idle: One that only holds shuffle data is given back after so long.
    """

    minimum: int = 0
    maximum: int
    initial: int | None = None
    idle: Duration = MINUTE
    shuffle_idle: Duration = 30 * MINUTE


class SparkApp(Model):
    """The program.

    Attributes:
        name: As Spark's pages show it.
        main: Python file or jar: ``local:///opt/app/job.py`` (in the image) or ``s3a://bucket/job.py``.
        main_class: Class of a jar; goes with ``main`` or with ``jars``.
        module: Python module in the image, run as ``python -m`` does; instead of ``main``.
        args: Arguments: texts, numbers, true or false.
        py_files: Modules and archives that Python can import from.
        jars: Jars on the class path.
        files: Files beside the program.
        conf: Properties of Spark's. Secrets are refused, and what is a field here.
        env: Environment of driver and executors, plain text.
        secret_env: The same from secrets: a key of an existing Secret, or a reference (``conn:ID.password``, ``env:NAME``, ``var:NAME``)
            whose value goes into a Secret that lives as long as the driver.
        image: Image of driver and executors; ``standalone`` needs none.
        image_pull_policy: ``IfNotPresent``, ``Always`` or ``Never``.
        image_pull_secrets: Names of Secrets for the registry.
        spark_version: Spark in the image: ``3.5``, ``3.5.7``, ``4.0`` …
        driver: Size of the driver.
        executor: Size of each executor.
        executors: How many: a number, or bounds.
        event_log: Folder of the History Server's logs: ``s3a://logs/spark-events``.
        result: Where the program leaves its result: ``termination`` (``/dev/termination-log``, 4 KiB) or the URI of a JSON file.
        service: Give the driver a headless Service; meshes and strict networks want one, Spark does not.
        labels: Labels of the driver and its executors.
        annotations: Annotations of the same.
        pod_template: More of the driver's pod (``metadata``, ``spec``).
        executor_template: More of the executors' pods.
        application: A SparkApplication of one's own in mode ``crd``: ``apiVersion``, ``kind``, ``metadata``, ``spec``. What it says wins
            over all other fields; name and labels by which the run is found are not its to set. It may name the program.
        profile: ``openshift``, ``kind`` or ``plain``.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = "spark"
    main: str | None = None
    main_class: str | None = None
    module: str | None = None
    args: list[Scalar] = []
    py_files: list[str] = []
    jars: list[str] = []
    files: list[str] = []
    conf: dict[str, Text] = {}
    env: dict[str, Text] = {}
    secret_env: dict[str, SecretKeyRef | str] = {}
    image: str | None = None
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    image_pull_secrets: list[str] = []
    spark_version: str = "3.5"
    driver: PodSize = PodSize()
    executor: ExecutorSize = ExecutorSize()
    executors: int | DynamicExecutors = 2
    event_log: str | None = None
    result: str | None = "termination"
    service: bool = False
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    pod_template: dict[str, Any] = {}
    executor_template: dict[str, Any] = {}
    application: dict[str, Any] = {}
    profile: Profile = Profile.OPENSHIFT

    @property
    def python(self) -> bool:
        """Whether the driver starts a Python program; its memory beside the heap is then larger."""
        return self.module is not None or (self.main or "").partition("#")[0].endswith(".py")


class KubernetesTarget(Model):
    """Where it runs.

    Attributes:
        namespace: Namespace of all that is created.
        service_account: Of the driver, with the right to make executors.
        mode: ``direct`` (the driver's pod is created), ``crd`` (a SparkApplication, which an operator in the cluster turns into one) or
            ``standalone`` (``spark-submit`` to a master).
        application_api: Of ``crd``: which operator.
        master: Of ``standalone``: ``spark://host:7077`` or ``local[*]``.
        api_server: The API server as the driver in its pod reaches it.
        history_server: Address of the History Server; None gives no link.
        console: Address of OpenShift's console; None gives no link.
    """

    namespace: str = "default"
    service_account: str = "spark"
    mode: Mode = "direct"
    application_api: ApplicationApi = ApplicationApi.KUBEFLOW
    master: str | None = None
    api_server: str = "https://kubernetes.default.svc"
    history_server: str | None = None
    console: str | None = None


class Policy(Model):
    """How patiently.

    Attributes:
        attempts: Drivers that may be made for one run; another one only after one is known to have failed for a reason that may pass.
        poll: Time between two looks.
        backoff: First pause after an error; it doubles.
        backoff_limit: Longest pause after an error.
        start_timeout: From creating the driver until it runs.
        run_timeout: From then until its end. The cluster ends the pod itself (``activeDeadlineSeconds``) after both together.
        delete_timeout: From the first request to delete until the driver is gone.
        image_pull_grace: An image that cannot be pulled may still come for so long.
        keep_failed_for: A driver that failed is left for a look for so long; None deletes it once its end is known.
    """

    attempts: int = 1
    poll: Duration = timedelta(seconds=10)
    backoff: Duration = timedelta(seconds=2)
    backoff_limit: Duration = MINUTE
    start_timeout: Duration = 10 * MINUTE
    run_timeout: Duration = 120 * MINUTE
    delete_timeout: Duration = 5 * MINUTE
    image_pull_grace: Duration = 2 * MINUTE
    keep_failed_for: Duration | None = 60 * MINUTE


class RunParts(Model):
    """All that is asked for, well typed, with no rule looked at."""

    model_config = ConfigDict(hide_input_in_errors=True)

    app: SparkApp
    target: KubernetesTarget = Field(default_factory=KubernetesTarget)
    policy: Policy = Policy()


__all__ = [
    "ApplicationApi",
    "DynamicExecutors",
    "ExecutorSize",
    "KubernetesTarget",
    "Mode",
    "PodSize",
    "Policy",
    "Profile",
    "RunParts",
    "SecretKeyRef",
    "SparkApp",
]
