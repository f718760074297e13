# SPDX-License-Identifier: Apache-2.0
"""Spark on Kubernetes, or on a master of its own, as authors write it in ``dataops.yaml``: how each step's driver is made."""

from __future__ import annotations

from typing import Any, Literal

from airflow_dataops.core.spark_k8s.spec import ApplicationApi, ExecutorSize, PodSize, Profile, SecretKeyRef, Text
from dag_factories.specs.arguments import AuthorModel
from dag_factories.specs.values import Seconds


class SparkExecutors(AuthorModel):
    """As many executors as there is work for.

    Attributes:
        minimum: Never fewer; 0 gives all of them back while nothing runs.
        maximum: Never more.
        initial: At the start; without it ``minimum``.
        idle: An executor without work and without shuffle data that is needed is given back after so long.
        shuffle_idle: One that only holds shuffle data is given back after so long.
    """

    minimum: int = 0
    maximum: int
    initial: int | None = None
    idle: Seconds = 60
    shuffle_idle: Seconds = 1800


class SparkPolicy(AuthorModel):
    """How patiently a step's driver is waited for.

    Attributes:
        attempts: Drivers that one try of a task may make where the cluster takes them away (evicted, node lost, deleted).
        poll: Time between two looks.
        backoff: First pause after an error; it doubles.
        backoff_limit: Longest pause after an error.
        start_timeout: From creating the driver until it runs.
        run_timeout: From then until its end.
        delete_timeout: From the first request to delete until the driver is gone.
        image_pull_grace: An image that cannot be pulled may still come for so long.
        keep_failed_for: A driver that failed is left for a look for so long; null deletes it.
    """

    attempts: int = 1
    poll: Seconds = 10
    backoff: Seconds = 2
    backoff_limit: Seconds = 60
    start_timeout: Seconds = 600
    run_timeout: Seconds = 7200
    delete_timeout: Seconds = 300
    image_pull_grace: Seconds = 120
    keep_failed_for: Seconds | None = 3600


class SparkS3(AuthorModel):
    """Where S3 is, without an Airflow connection. No key stands here.

    Attributes:
        endpoint_url: ``https://s3.example.com:9000``; AWS itself without it.
        region: Its name for the region.
        path_style: The bucket in the path (true) or in the host's name; by default the path at an endpoint of one's own.
        signature: ``v4``, or ``v2`` for endpoints that know nothing newer (Spark 3.5 only).
        ca_bundle: PEM file of the endpoint's authorities, in the image or in a volume of ``pod_template``.
        truststore: The same as a Java truststore (JKS), for Spark itself.
        conditional_writes: The endpoint honours ``If-None-Match`` and ``If-Match``; ``dataops check-s3`` tells.
        secret: Name of the Secret with the keys ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``; without it the pod's own role (IRSA).
    """

    endpoint_url: str | None = None
    region: str | None = None
    path_style: bool | None = None
    signature: Literal["v4", "v2"] = "v4"
    ca_bundle: str | None = None
    truststore: str | None = None
    conditional_writes: bool = True
    secret: str | None = None


class SparkMlflow(AuthorModel):
    """Where each step's run is tracked in MLflow. No key stands here.

    Attributes:
        conn_id: Airflow connection with the server's address, user and password, or a token as its password alone.
        tracking_uri: The server's address, instead of a connection; without both ``MLFLOW_TRACKING_URI`` of the workers.
        experiment: Name of the experiment; the DAG's id without it.
        run_name: Name of the run; the task's id and the run's without it.
    """

    conn_id: str | None = None
    tracking_uri: str | None = None
    experiment: str | None = None
    run_name: str | None = None


class SparkTarget(AuthorModel):
    """Drivers of a target with ``runner: spark_k8s`` (a pod each) or ``spark_standalone`` (``spark-submit`` on the worker).

    Attributes:
        image: Image of driver and executors, with this package (``docker/spark.Dockerfile``).
        namespace: Namespace of all that is created; without it the connection's.
        service_account: Of the driver, with the right to make executors.
        mode: ``direct`` (the driver's pod is created) or ``crd`` (a SparkApplication, for an operator in the cluster).
        application_api: Of ``crd``: which operator.
        master: Of ``spark_standalone``: ``spark://host:7077``, or ``local[*]``.
        kubernetes_conn_id: Airflow connection of type ``kubernetes``; where it is not there, the worker's own cluster or kubeconfig counts.
        aws_conn_id: Airflow connection of type ``aws``; its keys go into a Secret that lives as long as the driver.
        s3: Where S3 is, instead of a connection.
        deferrable: Wait in the triggerer, without a worker's slot.
        profile: ``openshift`` (restricted-v2), ``kind`` or ``plain``.
        spark_version: Spark in the image: ``3.5``, ``4.0`` …
        driver: Size of the driver.
        executor: Size of each executor.
        executors: How many: a number, or bounds. A step that needs no Spark starts none.
        event_log: Folder of the History Server's logs: ``s3a://logs/spark-events``.
        history_server: Address of the History Server, for links.
        console: Address of OpenShift's console, for links.
        api_server: The API server as the driver in its pod reaches it.
        conf: Properties of Spark's; secrets are refused.
        env: Environment of driver and executors, plain text.
        secret_env: The same from secrets: ``{name: SECRET, key: KEY}``, or a reference (``conn:ID.password``, ``env:NAME``, ``var:NAME``).
        jars: Jars on the class path, besides those of the image.
        image_pull_policy: ``IfNotPresent``, ``Always`` or ``Never``.
        image_pull_secrets: Names of Secrets for the registry.
        service: Give each driver a headless Service.
        labels: Labels of the pods.
        annotations: Annotations of the pods.
        pod_template: More of the driver's pod (``metadata``, ``spec``).
        executor_template: More of the executors' pods.
        application: A SparkApplication of one's own, which the other keys are laid into; of mode ``crd``.
        mlflow: Track each step in MLflow: rows, seconds, verdict; true takes the server of the workers' environment.
        policy: Patience.
    """

    image: str | None = None
    namespace: str | None = None
    service_account: str = "spark"
    mode: Literal["direct", "crd"] = "direct"
    application_api: ApplicationApi = ApplicationApi.KUBEFLOW
    master: str | None = None
    kubernetes_conn_id: str = "kubernetes_default"
    aws_conn_id: str | None = None
    s3: SparkS3 | None = None
    deferrable: bool = True
    profile: Profile = Profile.OPENSHIFT
    spark_version: str = "3.5"
    driver: PodSize = PodSize()
    executor: ExecutorSize = ExecutorSize()
    executors: int | SparkExecutors = 2
    event_log: str | None = None
    history_server: str | None = None
    console: str | None = None
    api_server: str = "https://kubernetes.default.svc"
    conf: dict[str, Text] = {}
    env: dict[str, Text] = {}
    secret_env: dict[str, SecretKeyRef | str] = {}
    jars: list[str] = []
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    image_pull_secrets: list[str] = []
    service: bool = False
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    pod_template: dict[str, Any] = {}
    executor_template: dict[str, Any] = {}
    application: dict[str, Any] = {}
    mlflow: bool | SparkMlflow = False
    policy: SparkPolicy = SparkPolicy()
