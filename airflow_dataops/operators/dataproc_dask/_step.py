# SPDX-License-Identifier: Apache-2.0
"""A step of a pipeline (gate, refine, publish, report) on a cluster that another task made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_dataops.links.dataproc_dask import DaskClusterLink, DaskDashboardLink, DaskJobLink, DaskLogsLink
from airflow_dataops.links.result_page import ResultPageLink
from airflow_dataops.operators import _job
from airflow_dataops.operators._refusal import written
from airflow_dataops.operators._worker import Worker
from airflow_dataops.operators.dataproc_dask import _steps

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.spec import DaskJob, Policy
    from airflow_dataops.core.dataproc_dask.summary import Summary


class DataprocDaskStepOperator(BaseOperator):
    """Run a step of a pipeline on the cluster that a :class:`DataprocDaskCreateClusterOperator` of the same run made; the cluster stays.

    The job's function is ``airflow_dataops.jobs.on_dask:run_step``, its ``args`` are the step's spec with ``job`` (``dq_gate``, ``refine``,
    ``publish`` or ``report``). The task adds what only the run knows: the run itself, the name of the step's records (the task's id),
    and the content of a suite that is given by its path. A secret stays a reference, which the driver looks up in its own environment.

    Args:
        cluster_task_id: Id of the task that made the cluster, with its groups: ``"dask.create"``.
        job: The function and its arguments: a dict or a :class:`~airflow_dataops.core.dataproc_dask.spec.DaskJob`.
        timezone: IANA name of the zone in which the run's date is meant.
        report_base_url: Address that stands for the lake's root, for the link to the page.
        policy: Deadlines; the other task's when omitted.
        bucket: Bucket for the job's document and result; the cluster's ``staging_bucket`` when omitted.
        gcp_conn_id: Connection of type ``google_cloud_platform``; None asks Google as the worker's own account.
        impersonation_chain: An account to act as, or several: the last one through those before it.
        api_endpoint: ``host:port`` of Dataproc.
        deferrable: Wait in the triggerer.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = (
        "cluster_task_id", "job", "report_base_url", "policy", "bucket", "gcp_conn_id", "impersonation_chain", "api_endpoint",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(("job", "policy"), "json")
    ui_color = "#fdf2cc"
    operator_extra_links = (ResultPageLink(), DaskClusterLink(), DaskJobLink(), DaskDashboardLink(), DaskLogsLink())

    rate_card: Any = None
    instance: str | None = None
    _worker: Worker[Any] | None = None
    _lineage: tuple[dict[str, Any] | None, dict[str, Any] | None] = (None, None)

    def __init__(
        self,
        *,
        cluster_task_id: str,
        job: DaskJob | dict[str, Any],
        timezone: str = "UTC",
        report_base_url: str | None = None,
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
        self.timezone = timezone
        self.report_base_url = report_base_url
        self.policy = policy
        self.bucket = bucket
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_endpoint = api_endpoint
        self.deferrable = deferrable

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the step; returns its verdict, counts and addresses, and under ``dask`` what its job took.

        Raises:
            TaskDeferred: The triggerer goes on.
            AirflowFailException: The data did not pass, or the step failed in another way that a retry does not help.
            TransientError: It failed in a way that may pass. Airflow retries.
        """
        from airflow_dataops.operators.dataproc_dask._handle import job_on_cluster
        from airflow_dataops.operators.dataproc_dask._results import publish

        wanted = job_on_cluster(self, context, self.cluster_task_id, self._document(context))
        return self._finish(context, _steps.perform(self, context, publish(self, wanted, self.bucket)))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Tell how the step ended that the triggerer went on with; returns and raises as :meth:`execute`."""
        from airflow_dataops.operators.dataproc_dask._results import read_event

        return self._finish(context, read_event(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after a deferral; where it timed out or its trigger broke, cancel the job first."""
        from airflow_dataops.operators.dataproc_dask._clean import cancel_job

        if next_method == _steps.FAIL:
            cancel_job(self, context)
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Cancel the job; it does not wait for its end."""
        _steps.kill(self)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - OpenLineage's signature
        """Return what the step read and wrote; nothing where it failed after a deferral."""
        from airflow_dataops.operators._lineage import of_step

        return of_step(self, *self._lineage)

    def _document(self, context: Any) -> dict[str, Any]:
        document = dict(_job.plain(written(self.job)))
        step = _job.step_document(self, context, document.get("args") or {}, engine="dask")
        self._lineage = (step, None)
        return {**document, "args": step}

    def _finish(self, context: Any, summary: Summary) -> dict[str, Any]:
        from airflow_dataops.operators.dataproc_dask._results import finish_job

        found = finish_job(self, context, summary)
        said = found.pop("result")
        # After a deferral the document is the author's; what the run adds to it stands in the result.
        document = self._lineage[0] or {**(_job.plain(written(self.job)).get("args") or {}), "task": self.task_id}
        self._lineage = ({**document, "run": said["run"]}, said)
        _job.send_metrics(said)
        if said["job"] == "publish":
            _job.tell_assets(self, context, said)
        return _job.small(said, dask=found)
