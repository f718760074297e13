# SPDX-License-Identifier: Apache-2.0
"""Spark on Kubernetes and OpenShift: one task that submits a program, waits for it, and says why it failed; and steps of pipelines."""

from __future__ import annotations

from airflow_dataops.operators.spark_k8s._janitor import SparkKubernetesJanitorOperator
from airflow_dataops.operators.spark_k8s._preflight import SparkKubernetesPreflightOperator
from airflow_dataops.operators.spark_k8s._step import SparkKubernetesStepOperator
from airflow_dataops.operators.spark_k8s._submit import SparkKubernetesSubmitOperator

__all__ = [
    "SparkKubernetesJanitorOperator",
    "SparkKubernetesPreflightOperator",
    "SparkKubernetesStepOperator",
    "SparkKubernetesSubmitOperator",
]
