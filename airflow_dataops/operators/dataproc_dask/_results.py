# SPDX-License-Identifier: Apache-2.0
"""A job's files: what is put into a bucket before it runs, and what its function left there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_dataops.operators._refusal import fail
from airflow_dataops.operators.dataproc_dask import _steps
from airflow_dataops.operators.dataproc_dask._rest import gcs_of, tell_rest

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.summary import Summary
    from airflow_dataops.operators.dataproc_dask._steps import DaskOperator, Wanted


def publish(operator: DaskOperator, wanted: Wanted, bucket: str | None) -> Wanted:
    """Write the job's document and driver where they are not there yet, and return what is wanted with their addresses.

    Raises:
        AirflowFailException: There is no bucket, or it does not let us in.
        TransientError: The bucket did not answer.
    """
    from airflow_dataops.clients.dataproc_dask.upload import publish_job
    from airflow_dataops.core.dataproc_dask import names
    from airflow_dataops.core.errors import DataOpsError, SpecError

    place = bucket or wanted.run.cluster.staging_bucket
    try:
        if not place:
            raise SpecError(
                "there is no bucket for the job's files",
                hint='give the operator bucket="NAME", or the cluster staging_bucket="NAME"',
                code="BUCKET_MISSING",
            )
        name = place.removeprefix("gs://").strip("/")
        with gcs_of(operator, wanted.run.cluster.project, wanted.run.cluster.region) as gcs:
            run = publish_job(gcs, wanted.run, bucket=name, base=names.base_name(wanted.identity))
    except DataOpsError as error:
        fail(error)
    return replace(wanted, run=run)


def finish_job(operator: DaskOperator, context: Any, summary: Summary) -> dict[str, Any]:
    """Tell how a run with a job ended, and return what its function returned, with seconds, cost and names.

    Raises:
        AirflowFailException: It failed in a way that a retry does not help.
        TransientError: It failed in a way that may pass, or the result cannot be read for now.
    """
    from airflow_dataops.core.dataproc_dask.result import read_result
    from airflow_dataops.core.errors import DataOpsError

    tell_rest(operator, summary)
    kept = _steps.finish(operator, context, as_the_driver_says(operator, summary))
    if summary.result_uri is None:
        return kept
    try:
        with gcs_of(operator, summary.project, summary.region) as gcs:
            said = read_result(gcs.read(summary.result_uri))
    except DataOpsError as error:
        fail(error)
    kept["job"] = {**kept.get("job", {}), "seconds": said.seconds, "workers": said.workers}
    return {"result": said.result, **kept}


def as_the_driver_says(operator: DaskOperator, summary: Summary) -> Summary:
    """Return the summary with what the job's own result says of its failure: what to do, and whether another try would end the same.

    It stays as it is where the job left no result, or that does not know.
    """
    from airflow_dataops.core.dataproc_dask.result import read_result
    from airflow_dataops.core.errors import DataOpsError

    failure = summary.failure
    if failure is None or "result_code" not in failure.details or summary.result_uri is None:
        return summary
    try:
        with gcs_of(operator, summary.project, summary.region) as gcs:
            said = read_result(gcs.read(summary.result_uri))
    except DataOpsError as error:
        operator.log.warning("the job's result cannot be read: %s", error)
        return summary
    if said.code != failure.details["result_code"]:
        return summary
    known = {"hint": said.hint or failure.hint, "retryable": failure.retryable and said.retryable is not False}
    return summary.model_copy(update={"failure": failure.model_copy(update=known)})


def read_event(event: dict[str, Any]) -> Summary:
    """Return the summary that the trigger's event carries."""
    from airflow_dataops.core.dataproc_dask.summary import Summary

    return Summary.model_validate(event)
