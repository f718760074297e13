# SPDX-License-Identifier: Apache-2.0
"""A program that is told how to reach its object store."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_dataops.core.spark_k8s.spec import SecretKeyRef, SparkApp

_JOINED = ("spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions")


def with_storage(app: SparkApp, conf: Mapping[str, str], secret_env: Mapping[str, SecretKeyRef | str]) -> SparkApp:
    """Return the program with a store's settings, such as :meth:`~airflow_dataops.core.s3.S3Settings.for_s3a` gives.

    What the program sets itself stays; options of the JVM are put one behind the other.

    Args:
        app: The program.
        conf: Properties without secrets.
        secret_env: Variables: a key of a Secret, or a reference.
    """
    merged = {**conf, **app.conf}
    for key in _JOINED:
        if key in conf and key in app.conf:
            merged[key] = f"{conf[key]} {app.conf[key]}"
    variables = {name: source for name, source in secret_env.items() if name not in app.env}
    return app.model_copy(update={"conf": merged, "secret_env": {**variables, **app.secret_env}})
