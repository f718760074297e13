# SPDX-License-Identifier: Apache-2.0
"""From a task to its cluster, job, dashboards and logs in Google's console; the addresses are there while the task still runs."""

from __future__ import annotations

from airflow_dataops.links._address import _AddressInXCom

CLUSTER_KEY, JOB_KEY = "dataops_dask_cluster_url", "dataops_dask_job_url"
DASHBOARD_KEY, LOGS_KEY = "dataops_dask_dashboard_url", "dataops_dask_logs_url"


class DaskClusterLink(_AddressInXCom):
    """Opens the cluster."""

    name = "Dataproc cluster"
    key = CLUSTER_KEY


class DaskJobLink(_AddressInXCom):
    """Opens the job."""

    name = "Dataproc job"
    key = JOB_KEY


class DaskDashboardLink(_AddressInXCom):
    """Opens Dask's dashboard behind the Component Gateway, or the page with the cluster's web interfaces while its address is not known.

    It is known of a cluster that tasks share, as soon as that runs. A task that makes its own cluster has the address in its log.
    """

    name = "Dask dashboard"
    key = DASHBOARD_KEY


class DaskLogsLink(_AddressInXCom):
    """Opens all logs of the run's clusters and jobs in Cloud Logging."""

    name = "Logs"
    key = LOGS_KEY


__all__ = [
    "CLUSTER_KEY",
    "DASHBOARD_KEY",
    "JOB_KEY",
    "LOGS_KEY",
    "DaskClusterLink",
    "DaskDashboardLink",
    "DaskJobLink",
    "DaskLogsLink",
]
