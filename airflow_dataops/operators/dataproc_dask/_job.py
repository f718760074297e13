# SPDX-License-Identifier: Apache-2.0
"""All in one task: a cluster, a function on it, and no cluster any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_dataops.links.dataproc_dask import DaskClusterLink, DaskDashboardLink, DaskJobLink, DaskLogsLink
from airflow_dataops.operators._worker import Worker
from airflow_dataops.operators.dataproc_dask import _steps

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.budget import RateCard
    from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, DaskJob, Policy
    from airflow_dataops.operators.dataproc_dask._steps import Wanted


class DataprocDaskJobOperator(BaseOperator):
    """Make a private Dataproc cluster with Dask, run a function on it, and delete the cluster, whatever happens.

    With ``lifecycle="google"`` all of that is a workflow of Google's: one call, and the cluster is deleted even where nobody is left to
    ask for it; but there is one cluster in one zone, and nothing is kept. What a workflow cannot do is refused before anything is asked
    for.

    A try that finds a cluster or job of an earlier try of the same run takes it over; a job that has succeeded is not run again, unless the
    task was cleared. Every text of ``cluster``, ``job`` and ``policy`` may hold Jinja where they are dicts.

    Args:
        cluster: The cluster: a dict or a :class:`~airflow_dataops.core.dataproc_dask.spec.ClusterSpec`.
        job: The function and its arguments, which are kept in the bucket, so no secret: a dict or a
            :class:`~airflow_dataops.core.dataproc_dask.spec.DaskJob`.
        policy: Deadlines, attempts and budget: a dict or a :class:`~airflow_dataops.core.dataproc_dask.spec.Policy`.
        rate_card: Prices, for the estimate before and the cost afterwards: a dict or a
            :class:`~airflow_dataops.core.dataproc_dask.budget.RateCard`.
        bucket: Bucket for the job's document and result; the cluster's ``staging_bucket`` when omitted.
        gcp_conn_id: Connection of type ``google_cloud_platform``; None asks Google as the worker's own account.
        impersonation_chain: An account to act as, or several: the last one through those before it.
        api_endpoint: ``host:port`` of Dataproc, of a private endpoint for instance.
        instance: Name of this Airflow; two of them in one project must differ. ``[dataops] instance``, the Composer environment or the
            address of Airflow's web server when omitted.
        lifecycle: Who makes and deletes the cluster: ``airflow``, or ``google`` by an inline workflow template with a managed cluster.
        deferrable: Wait in the triggerer.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = (
        "cluster", "job", "policy", "rate_card", "bucket", "gcp_conn_id", "impersonation_chain", "api_endpoint", "instance",
        "lifecycle",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        ("cluster", "job", "policy", "rate_card"), "json"
    )
    ui_color = "#fdf2cc"
    operator_extra_links = (DaskClusterLink(), DaskJobLink(), DaskDashboardLink(), DaskLogsLink())

    _worker: Worker[Any] | None = None

    def __init__(
        self,
        *,
        cluster: ClusterSpec | dict[str, Any],
        job: DaskJob | dict[str, Any],
        policy: Policy | dict[str, Any] | None = None,
        rate_card: RateCard | dict[str, Any] | None = None,
        bucket: str | None = None,
        gcp_conn_id: str | None = "google_cloud_default",
        impersonation_chain: str | Sequence[str] | None = None,
        api_endpoint: str | None = None,
        instance: str | None = None,
        lifecycle: Literal["airflow", "google"] = "airflow",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cluster = cluster
        self.job = job
        self.policy = policy
        self.rate_card = rate_card
        self.bucket = bucket
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_endpoint = api_endpoint
        self.instance = instance
        self.lifecycle = lifecycle
        self.deferrable = deferrable

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the function; returns what it returned, with seconds, cost and names.

        Raises:
            TaskDeferred: The triggerer goes on.
            AirflowFailException: It failed in a way that a retry does not help.
            TransientError: It failed in a way that may pass. Airflow retries.
        """
        from airflow_dataops.operators.dataproc_dask._results import finish_job, publish

        wanted = self._wanted(context, with_job=True)
        _steps.estimate_of(wanted.run, _steps.card_of(self))
        wanted = publish(self, wanted, self.bucket)
        return finish_job(self, context, _steps.perform(self, context, wanted))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Tell how the run ended that the triggerer went on with; returns and raises as :meth:`execute`."""
        from airflow_dataops.operators.dataproc_dask._results import finish_job, read_event

        return finish_job(self, context, read_event(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after a deferral; where it timed out or its trigger broke, stop the workflow or delete the cluster first."""
        from airflow_dataops.operators.dataproc_dask._clean import clean_up, end_what_was_left

        if next_method == _steps.FAIL and not (self.lifecycle == "google" and end_what_was_left(self, context)):
            clean_up(self, context, lambda: self._wanted(context, with_job=False))
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Delete the cluster, and the job with it, or stop the workflow that does; it does not wait for them to be gone."""
        _steps.kill(self)

    def _wanted(self, context: Any, *, with_job: bool) -> Wanted:
        from airflow_dataops.operators._identity import identity_of

        run = _steps.run_of(self, self.cluster, self.job if with_job else None)
        return _steps.Wanted(run, identity_of(context, self.instance), _steps.goal_of(self.lifecycle, run))
