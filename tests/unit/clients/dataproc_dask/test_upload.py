# SPDX-License-Identifier: Apache-2.0
"""What a job needs in a bucket: written once, named by its content."""

from __future__ import annotations

import pytest

from airflow_dataops.clients.dataproc_dask.upload import publish_job
from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.document import digest, parse_document
from airflow_dataops.core.dataproc_dask.run import DaskRun


@pytest.fixture
def bare(run: DaskRun) -> DaskRun:
    assert run.job is not None
    job = run.job.model_copy(
        update={"bootstrap_uri": None, "spec_uri": None, "spec_hash": None, "properties": {"a": "b"}}
    )
    return DaskRun(cluster=run.cluster, job=job, policy=run.policy)


def test_driver_and_document_are_there_under_their_hashes(gcs: Gcs, bucket: str, bare: DaskRun) -> None:
    job = publish_job(gcs, bare, bucket=bucket, base="dd-x").job
    assert job is not None
    assert job.spec_uri is not None
    assert job.bootstrap_uri is not None
    document = gcs.read(job.spec_uri)
    assert digest(document) == job.spec_hash
    assert job.spec_uri == f"gs://{bucket}/dataops/dask/dd-x/job-{digest(document)[:16]}.json"
    assert parse_document(document, job.spec_hash).function == "module:function"
    driver = gcs.read(job.bootstrap_uri)
    assert job.bootstrap_uri == f"gs://{bucket}/dataops/dask/dd-x/driver-{digest(driver)[:16]}.py"
    compile(driver, "driver", "exec")
    assert job.properties["a"] == "b"
    assert job.properties["spark.pyspark.driver.python"]


def test_a_second_time_nothing_is_written_and_nothing_changes(gcs: Gcs, bucket: str, bare: DaskRun) -> None:
    first = publish_job(gcs, bare, bucket=bucket, base="dd-x")
    assert first.job is not None
    assert first.job.spec_uri is not None
    gcs.write(first.job.spec_uri, b"what another one wrote")
    again = publish_job(gcs, bare, bucket=bucket, base="dd-x")
    assert again == first
    assert gcs.read(first.job.spec_uri) == b"what another one wrote"
    assert names.job_hash(first.job) == names.job_hash(
        publish_job(gcs, first, bucket=bucket, base="dd-x").job or first.job
    )


def test_the_users_own_driver_and_properties_stay(gcs: Gcs, bucket: str, bare: DaskRun) -> None:
    assert bare.job is not None
    own = {"bootstrap_uri": "gs://mine/driver.py", "properties": {"spark.pyspark.python": "mine"}}
    run = DaskRun(cluster=bare.cluster, job=bare.job.model_copy(update=own), policy=bare.policy)
    job = publish_job(gcs, run, bucket=bucket, base="dd-x").job
    assert job is not None
    assert job.bootstrap_uri == "gs://mine/driver.py"
    assert job.properties["spark.pyspark.python"] == "mine"


def test_a_run_without_a_job_has_nothing_to_publish(gcs: Gcs, run: DaskRun) -> None:
    with pytest.raises(ValueError, match="no job"):
        publish_job(gcs, DaskRun(cluster=run.cluster), bucket="b", base="dd-x")
