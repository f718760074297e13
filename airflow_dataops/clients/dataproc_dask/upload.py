# SPDX-License-Identifier: Apache-2.0
"""What a job needs in a bucket before it is sent: its document, and the file that starts the driver."""

from __future__ import annotations

from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.core.dataproc_dask.bootstrap import bootstrap, driver_properties
from airflow_dataops.core.dataproc_dask.document import digest, document_of
from airflow_dataops.core.dataproc_dask.run import DaskRun

FOLDER = "dataops/dask"
_HASH = 16


def publish_job(gcs: Gcs, run: DaskRun, *, bucket: str, base: str) -> DaskRun:
    """Write the driver and the job's document, and return the run that names them.

    Both are named by their content and written only where they are not there, so a retry writes nothing and changes nothing. Both are the
    run's own: a bucket may delete what is old, and a file that all runs share would be gone under one of them. It blocks.

    Args:
        gcs: Buckets.
        run: What is wanted, with a job.
        bucket: Name of the bucket, without ``gs://``.
        base: :func:`~airflow_dataops.core.dataproc_dask.names.base_name` of the run.

    Returns:
        The run with ``bootstrap_uri``, ``spec_uri`` and ``spec_hash``, and the properties by which the environment's Python runs the
        driver; a ``bootstrap_uri`` or property of the user's stays.

    Raises:
        ValueError: There is no job.
        CloudError: The bucket does not take them.
    """
    job = run.job
    if job is None:
        raise ValueError("this run has no job to publish")
    document = document_of(run, job)
    sha256 = digest(document)
    spec_uri = f"gs://{bucket}/{FOLDER}/{base}/{job.name}-{sha256[:_HASH]}.json"
    driver_uri = job.bootstrap_uri
    if driver_uri is None:
        driver = bootstrap()
        driver_uri = f"gs://{bucket}/{FOLDER}/{base}/driver-{digest(driver)[:_HASH]}.py"
        gcs.write(driver_uri, driver, if_absent=True, content_type="text/x-python")
    gcs.write(spec_uri, document, if_absent=True, content_type="application/json")
    changes = {
        "bootstrap_uri": driver_uri,
        "spec_uri": spec_uri,
        "spec_hash": sha256,
        "properties": driver_properties() | job.properties,
    }
    return DaskRun(cluster=run.cluster, job=job.model_copy(update=changes), policy=run.policy)


__all__ = ["publish_job"]
