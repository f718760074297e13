# SPDX-License-Identifier: Apache-2.0
"""The last one to look: deletes the clusters of this Airflow that nobody waits for any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_dataops.operators._janitor import counted, policy_of, tell
from airflow_dataops.operators._refusal import fail
from airflow_dataops.operators.dataproc_dask import _steps

if TYPE_CHECKING:
    from airflow_dataops.clients.dataproc_dask.sweep import SweepReport
    from airflow_dataops.core.dataproc_dask.janitor import JanitorPolicy


class DataprocDaskJanitorOperator(BaseOperator):
    """List the clusters that this Airflow made in a region, and delete by UUID those that are broken, expired, orphaned or stuck.

    Clusters of other makers and of other Airflows are never touched. Give it a DAG of its own that runs every few minutes
    (``example_dags/dataproc_dask_janitor.py``). Lengths of time are written ``10m``, ``2h``, ``1d``.

    Args:
        project: Project id.
        region: Region.
        dry_run: Tell only what would be deleted.
        grace: A broken cluster is left to its task for so long.
        orphan_after: A running cluster without a job is given up after so long.
        stuck_after: A delete that takes longer is told again and reported.
        lifetime: Age at which a cluster is deleted that does not say when it expires.
        gcp_conn_id: Connection of type ``google_cloud_platform``; None asks Google as the worker's own account.
        impersonation_chain: An account to act as, or several: the last one through those before it.
        api_endpoint: ``host:port`` of Dataproc.
        instance: Name of this Airflow, as the other operators have it.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = (
        "project", "region", "grace", "orphan_after", "stuck_after", "lifetime", "gcp_conn_id", "impersonation_chain", "api_endpoint",
        "instance",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    ui_color = "#fdf2cc"

    def __init__(
        self,
        *,
        project: str,
        region: str,
        dry_run: bool = False,
        grace: str = "10m",
        orphan_after: str = "30m",
        stuck_after: str = "30m",
        lifetime: str = "1d",
        gcp_conn_id: str | None = "google_cloud_default",
        impersonation_chain: str | Sequence[str] | None = None,
        api_endpoint: str | None = None,
        instance: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.region = region
        self.only_tell = dry_run
        self.grace = grace
        self.orphan_after = orphan_after
        self.stuck_after = stuck_after
        self.lifetime = lifetime
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_endpoint = api_endpoint
        self.instance = instance

    def execute(self, context: Any) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Sweep once; returns how many clusters there are by verdict, and those that were deleted.

        Raises:
            AirflowFailException: An argument is not valid, or Google does not let us in.
            TransientError: A cluster could not be deleted or is stuck, or Google did not answer. Airflow retries.
        """
        from airflow_dataops.clients.dataproc_dask.drive import run_blocking
        from airflow_dataops.core.dataproc_dask.janitor import JanitorPolicy
        from airflow_dataops.core.errors import DataOpsError, TransientError

        policy = policy_of(self, JanitorPolicy, ("grace", "orphan_after", "stuck_after", "lifetime"))
        try:
            report = run_blocking(self._sweep(policy))
        except DataOpsError as error:
            fail(error)
        tell(self, "dataops.dataproc_dask.janitor", report.clusters, report.alert_line)
        if not report.ok:
            listed = "; ".join(f"{one.finding.name}: {one.error or one.finding.text}" for one in report.bad)
            raise TransientError(f"{len(report.bad)} of the clusters do not go: {listed}", code="JANITOR_FAILED")
        return _summary(report)

    async def _sweep(self, policy: JanitorPolicy) -> SweepReport:
        from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
        from airflow_dataops.clients.dataproc_dask.drive import utcnow
        from airflow_dataops.clients.dataproc_dask.sweep import sweep_clusters
        from airflow_dataops.hooks.dataproc_dask import DataprocDaskHook

        settings = DataprocDaskHook(**_steps.connection_of(self)).settings(self.project, self.region)
        async with DataprocDaskClient(settings) as client:
            return await sweep_clusters(client, policy, now=utcnow(), dry_run=self.only_tell)


def _summary(report: SweepReport) -> dict[str, Any]:
    listed = [
        {"name": one.finding.name, "uuid": one.finding.uuid, "verdict": one.finding.verdict.value, "done": one.done}
        for one in report.clusters
        if one.done != "left"
    ]
    return {"dry_run": report.dry_run, "verdicts": counted(report.clusters), "clusters": listed}
