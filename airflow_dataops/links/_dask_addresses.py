# SPDX-License-Identifier: Apache-2.0
"""Where a run's cluster, job and logs are in Google's console."""

from __future__ import annotations

from urllib.parse import quote

_CONSOLE = "https://console.cloud.google.com"


def cluster_url(project: str, region: str, cluster: str, tab: str = "monitoring") -> str:
    """Return the address of a cluster in Google's console; the tab ``interfaces`` holds the dashboards behind the Component Gateway."""
    return f"{_CONSOLE}/dataproc/clusters/{quote(cluster)}/{tab}?region={quote(region)}&project={quote(project)}"


def job_url(project: str, region: str, job: str) -> str:
    """Return the address of a job in Google's console."""
    return f"{_CONSOLE}/dataproc/jobs/{quote(job)}/monitoring?region={quote(region)}&project={quote(project)}"


def workflow_url(project: str, region: str, operation: str) -> str:
    """Return the address of a workflow in Google's console.

    Args:
        project: Project id.
        region: Region.
        operation: Name of its operation: ``projects/P/regions/R/operations/ID``.
    """
    workflow = operation.rpartition("/")[2]
    return f"{_CONSOLE}/dataproc/workflows/instances/{quote(region)}/{quote(workflow)}?project={quote(project)}"


def logs_url(project: str, base: str) -> str:
    """Return the address of all logs of a run's clusters and jobs in Cloud Logging.

    Args:
        project: Project id.
        base: Stem of the run's names.
    """
    from airflow_dataops.core.dataproc_dask.names import managed_prefix

    query = (
        f'resource.labels.cluster_name=~"^({base}(-g[0-9]+)?|{managed_prefix(base)}-[a-z0-9]+)$"\n'
        f'OR (resource.type="cloud_dataproc_job" AND resource.labels.job_id=~"^{base}-")'
    )
    return f"{_CONSOLE}/logs/query;query={quote(query, safe='')}?project={quote(project)}"
