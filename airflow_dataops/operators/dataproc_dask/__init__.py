# SPDX-License-Identifier: Apache-2.0
"""Dask on ephemeral Dataproc clusters: one task that does it all, or setup, jobs and teardown of a cluster that tasks share."""

from __future__ import annotations

from airflow_dataops.operators.dataproc_dask._cluster import (
    DataprocDaskCreateClusterOperator,
    DataprocDaskDeleteClusterOperator,
)
from airflow_dataops.operators.dataproc_dask._group import SharedDaskCluster, ephemeral_dask_cluster
from airflow_dataops.operators.dataproc_dask._janitor import DataprocDaskJanitorOperator
from airflow_dataops.operators.dataproc_dask._job import DataprocDaskJobOperator
from airflow_dataops.operators.dataproc_dask._preflight import DataprocDaskPreflightOperator
from airflow_dataops.operators.dataproc_dask._step import DataprocDaskStepOperator
from airflow_dataops.operators.dataproc_dask._submit import DataprocDaskSubmitJobOperator

__all__ = [
    "DataprocDaskCreateClusterOperator",
    "DataprocDaskDeleteClusterOperator",
    "DataprocDaskJanitorOperator",
    "DataprocDaskJobOperator",
    "DataprocDaskPreflightOperator",
    "DataprocDaskStepOperator",
    "DataprocDaskSubmitJobOperator",
    "SharedDaskCluster",
    "ephemeral_dask_cluster",
]
