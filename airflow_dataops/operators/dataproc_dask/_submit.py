# SPDX-License-Identifier: Apache-2.0
"""A function on a cluster that another task made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_dataops.links.dataproc_dask import DaskClusterLink, DaskDashboardLink, DaskJobLink, DaskLogsLink
from airflow_dataops.operators._job import plain
from airflow_dataops.operators._refusal import written
from airflow_dataops.operators._worker import Worker
from airflow_dataops.operators.dataproc_dask import _steps

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.spec import DaskJob, Policy
    from airflow_dataops.operators.dataproc_dask._steps import Wanted


class DataprocDaskSubmitJobOperator(BaseOperator):
    """Run a function on the cluster that a :class:`DataprocDaskCreateClusterOperator` of the same run made; the cluster stays.

    A killed task cancels its job. The jobs of one cluster are told apart by ``job.name``, the task's id when omitted; a mapped task adds
    its index. Two of one name replace one another.

    Args:
        cluster_task_id: Id of the task that made the cluster, with its groups: ``"dask.create"``.
        job: The function and its arguments, which are kept in the bucket, so no secret: a dict or a
            :class:`~airflow_dataops.core.dataproc_dask.spec.DaskJob`.
        policy: Deadlines; the other task's when omitted.
        bucket: Bucket for the job's document and result; the cluster's ``staging_bucket`` when omitted.
        gcp_conn_id: Connection of type ``google_cloud_platform``; None asks Google as the worker's own account.
        impersonation_chain: An account to act as, or several: the last one through those before it.
        api_endpoint: ``host:port`` of Dataproc.
        deferrable: Wait in the triggerer.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = (
        "cluster_task_id", "job", "policy", "bucket", "gcp_conn_id", "impersonation_chain", "api_endpoint",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(("job", "policy"), "json")
    ui_color = "#fdf2cc"
    operator_extra_links = (DaskClusterLink(), DaskJobLink(), DaskDashboardLink(), DaskLogsLink())

    rate_card: Any = None
    instance: str | None = None
    _worker: Worker[Any] | None = None

    def __init__(
        self,
        *,
        cluster_task_id: str,
        job: DaskJob | dict[str, Any],
        policy: Policy | dict[str, Any] | None = None,
        bucket: str | None = None,
        gcp_conn_id: str | None = "google_cloud_default",
        impersonation_chain: str | Sequence[str] | None = None,
        api_endpoint: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cluster_task_id = cluster_task_id
        self.job = job
        self.policy = policy
        self.bucket = bucket
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_endpoint = api_endpoint
        self.deferrable = deferrable

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the function; returns what it returned, with seconds and names.

        Raises:
            TaskDeferred: The triggerer goes on.
            AirflowFailException: It failed in a way that a retry does not help.
            TransientError: It failed in a way that may pass. Airflow retries.
        """
        from airflow_dataops.operators.dataproc_dask._results import finish_job, publish

        wanted = publish(self, self._wanted(context), self.bucket)
        return finish_job(self, context, _steps.perform(self, context, wanted))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Tell how the job ended that the triggerer went on with; returns and raises as :meth:`execute`."""
        from airflow_dataops.operators.dataproc_dask._results import finish_job, read_event

        return finish_job(self, context, read_event(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after a deferral; where it timed out or its trigger broke, cancel the job first."""
        from airflow_dataops.operators.dataproc_dask._clean import cancel_job

        if next_method == _steps.FAIL:
            cancel_job(self, context)
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Cancel the job; it does not wait for its end."""
        _steps.kill(self)

    def _wanted(self, context: Any) -> Wanted:
        from airflow_dataops.operators.dataproc_dask._handle import job_on_cluster

        return job_on_cluster(self, context, self.cluster_task_id, dict(plain(written(self.job))))
