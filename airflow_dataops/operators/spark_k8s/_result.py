# SPDX-License-Identifier: Apache-2.0
"""What a program left as its result in S3, and the client that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.clients.s3 import S3Client
    from airflow_dataops.operators.spark_k8s._steps import SparkArguments, SparkOperator

_LARGEST = 256 * 1024


def read_result(operator: SparkOperator, uri: str) -> Any:
    """Return the JSON that a program left; None, and a warning in the log, where it cannot be had.

    The program has done its work by then and is not run again for its result.

    Args:
        operator: Has the connection.
        uri: ``s3a://bucket/path.json``.
    """
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.core.spark_k8s.report import result_of

    try:
        return result_of(_read(operator, uri))
    except DataOpsError as error:
        operator.log.warning("the result cannot be read: %s", error)
        return None


def s3_client(operator: SparkArguments) -> S3Client:
    """Return a client with the connection's settings, or those of the worker's environment.

    Raises:
        SpecError: They cannot be meant, or a key is not set.
    """
    import os

    from airflow_dataops.clients.s3 import S3Client
    from airflow_dataops.core.s3 import S3Settings
    from airflow_dataops.hooks._secrets import lookup
    from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook
    from airflow_dataops.operators.spark_k8s._steps import connection_of

    settings = SparkKubernetesHook(**connection_of(operator)).s3() or S3Settings.from_env(os.environ)
    return S3Client(settings, settings.keys(lookup))


def _read(operator: SparkOperator, uri: str) -> str:
    return s3_client(operator).read_text(uri, largest=_LARGEST)
