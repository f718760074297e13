# SPDX-License-Identifier: Apache-2.0
"""Setup and teardown of a cluster that several tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_dataops.links.dataproc_dask import DaskClusterLink, DaskDashboardLink, DaskLogsLink
from airflow_dataops.operators._worker import Worker
from airflow_dataops.operators.dataproc_dask import _steps

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.budget import RateCard
    from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, Policy
    from airflow_dataops.operators.dataproc_dask._steps import Wanted

_COMMON_FIELDS = ("cluster", "policy", "rate_card", "gcp_conn_id", "impersonation_chain", "api_endpoint", "instance")
_RENDERERS = dict.fromkeys(("cluster", "policy", "rate_card"), "json")


class DataprocDaskCreateClusterOperator(BaseOperator):
    """Make a private Dataproc cluster with Dask that later tasks of the run share; where it fails, nothing of it is left.

    Use it as a setup: ``create.as_setup()``. Its policy's ``deadlines.run`` is the time for all jobs together. Arguments are those of
    :class:`DataprocDaskJobOperator`, without job and bucket.

    Args:
        cluster: The cluster: a dict or a :class:`~airflow_dataops.core.dataproc_dask.spec.ClusterSpec`.
        policy: Deadlines, attempts and budget; ``keep_failed_for`` does nothing, since the last task deletes the cluster.
        rate_card: Prices, for the estimate.
        gcp_conn_id: Connection of type ``google_cloud_platform``; None asks Google as the worker's own account.
        impersonation_chain: An account to act as, or several: the last one through those before it.
        api_endpoint: ``host:port`` of Dataproc.
        instance: Name of this Airflow.
        deferrable: Wait in the triggerer.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = _COMMON_FIELDS
    template_fields_renderers: ClassVar[dict[str, str]] = _RENDERERS
    ui_color = "#fdf2cc"
    operator_extra_links = (DaskClusterLink(), DaskDashboardLink(), DaskLogsLink())

    _worker: Worker[Any] | None = None

    def __init__(
        self,
        *,
        cluster: ClusterSpec | dict[str, Any],
        policy: Policy | dict[str, Any] | None = None,
        rate_card: RateCard | dict[str, Any] | None = None,
        gcp_conn_id: str | None = "google_cloud_default",
        impersonation_chain: str | Sequence[str] | None = None,
        api_endpoint: str | None = None,
        instance: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cluster = cluster
        self.policy = policy
        self.rate_card = rate_card
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_endpoint = api_endpoint
        self.instance = instance
        self.deferrable = deferrable

    def execute(self, context: Any) -> dict[str, Any]:
        """Make the cluster; returns what the other tasks need to know of it.

        Raises:
            TaskDeferred: The triggerer goes on.
            AirflowFailException: It failed in a way that a retry does not help.
            TransientError: It failed in a way that may pass. Airflow retries.
        """
        wanted = self._wanted(context)
        if wanted.run.policy.keep_failed_for is not None:
            self.log.warning(
                "policy.keep_failed_for does nothing here: a cluster that tasks share is deleted by its last task"
            )
        return self._made(context, _steps.perform(self, context, wanted))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Tell how the making ended that the triggerer went on with; returns and raises as :meth:`execute`."""
        from airflow_dataops.operators.dataproc_dask._results import read_event

        return self._made(context, read_event(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after a deferral; where it timed out or its trigger broke, delete the cluster first."""
        from airflow_dataops.operators.dataproc_dask._clean import clean_up

        if next_method == _steps.FAIL:
            clean_up(self, context, lambda: self._wanted(context))
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Delete the cluster; it does not wait for it to be gone."""
        _steps.kill(self)

    def _wanted(self, context: Any) -> Wanted:
        from airflow_dataops.core.dataproc_dask.state import Goal
        from airflow_dataops.operators._identity import identity_of

        run = _steps.run_of(self, self.cluster)
        return _steps.Wanted(run, identity_of(context, self.instance), Goal.CLUSTER)

    def _made(self, context: Any, summary: Any) -> dict[str, Any]:
        from airflow_dataops.operators.dataproc_dask._handle import handle_of

        kept = _steps.finish(self, context, summary)
        return {**kept, **handle_of(self._wanted(context), summary)}


class DataprocDaskDeleteClusterOperator(BaseOperator):
    """Delete the cluster that another task of the run made, and wait until it is gone; a cluster that is gone already is a success.

    Use it as a teardown, ``delete.as_teardown(setups=create)``. With ``on_failure_fail_dagrun=True`` the teardown alone would decide on the
    run, and a failed job would leave it green; :func:`ephemeral_dask_cluster` has a last task instead that fails where either failed.

    Args:
        cluster_task_id: Id of the task that made the cluster, with its groups: ``"dask.create"``.
        cluster: The cluster as given to that task, for the case that the task left nothing; only its project and region count.
        policy: Its ``deadlines.delete`` counts.
        rate_card: Prices, for the cost.
        gcp_conn_id: Connection of type ``google_cloud_platform``; None asks Google as the worker's own account.
        impersonation_chain: An account to act as, or several: the last one through those before it.
        api_endpoint: ``host:port`` of Dataproc.
        instance: Name of this Airflow.
        deferrable: Wait in the triggerer.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = ("cluster_task_id", *_COMMON_FIELDS)
    template_fields_renderers: ClassVar[dict[str, str]] = _RENDERERS
    ui_color = "#fdf2cc"
    operator_extra_links = (DaskClusterLink(), DaskLogsLink())

    _worker: Worker[Any] | None = None

    def __init__(
        self,
        *,
        cluster_task_id: str,
        cluster: ClusterSpec | dict[str, Any] | None = None,
        policy: Policy | dict[str, Any] | None = None,
        rate_card: RateCard | dict[str, Any] | None = None,
        gcp_conn_id: str | None = "google_cloud_default",
        impersonation_chain: str | Sequence[str] | None = None,
        api_endpoint: str | None = None,
        instance: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cluster_task_id = cluster_task_id
        self.cluster = cluster
        self.policy = policy
        self.rate_card = rate_card
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_endpoint = api_endpoint
        self.instance = instance
        self.deferrable = deferrable

    def execute(self, context: Any) -> dict[str, Any]:
        """Delete the cluster; returns its cost and its seconds.

        Raises:
            TaskDeferred: The triggerer goes on.
            AirflowFailException: It failed in a way that a retry does not help.
            TransientError: It is still there; Airflow retries.
        """
        return self._gone(context, _steps.perform(self, context, self._wanted(context)))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Tell how the deletion ended that the triggerer went on with; returns and raises as :meth:`execute`."""
        from airflow_dataops.operators.dataproc_dask._results import read_event

        return self._gone(context, read_event(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after a deferral; where it timed out or its trigger broke, delete the cluster from here."""
        from airflow_dataops.operators.dataproc_dask._clean import clean_up

        if next_method == _steps.FAIL:
            clean_up(self, context, lambda: self._wanted(context))
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Send the request to delete once more; it does not wait."""
        _steps.kill(self)

    def _wanted(self, context: Any) -> Wanted:
        from airflow_dataops.core.dataproc_dask.state import Goal
        from airflow_dataops.operators.dataproc_dask import _handle

        handle = _handle.pull(context, self.cluster_task_id)
        run = _handle.run_of(self, handle, self.cluster, self.policy)
        identity = _handle.identity_of(context, handle, self.instance, self.cluster_task_id)
        return _steps.Wanted(run, identity, Goal.GONE, _handle.cluster_of(handle))

    def _gone(self, context: Any, summary: Any) -> dict[str, Any]:
        from airflow_dataops.operators.dataproc_dask import _handle

        handle = _handle.pull(context, self.cluster_task_id)
        return _steps.finish(self, context, _handle.with_cost(self, handle, summary))
