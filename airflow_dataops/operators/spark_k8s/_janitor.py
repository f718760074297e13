# SPDX-License-Identifier: Apache-2.0
"""The last one to look: deletes the Spark drivers of this Airflow that nobody waits for any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_dataops.operators._janitor import counted, policy_of, tell
from airflow_dataops.operators._refusal import fail

if TYPE_CHECKING:
    from airflow_dataops.clients.spark_k8s.sweep import SweepReport
    from airflow_dataops.core.spark_k8s.janitor import JanitorPolicy

_LENGTHS = ("grace", "keep_failed", "keep_succeeded", "stuck_after", "lifetime")


class SparkKubernetesJanitorOperator(BaseOperator):
    """List the drivers and SparkApplications that this Airflow made in a namespace, and delete by UID those whose time is over.

    A failed driver stays for ``policy.keep_failed_for`` of its run; what has not ended long after its run has given up is an orphan.
    Objects of other makers and of other Airflows are never touched. Give it a DAG of its own that runs every few minutes
    (``example_dags/spark_k8s_janitor.py``). Lengths of time are written ``10m``, ``2h``, ``1d``.

    Args:
        namespace: Namespace; None takes the connection's, else ``default``.
        dry_run: Tell only what would be deleted.
        grace: What has not ended is left for so long after all that its policy allows it.
        keep_failed: A failed driver that does not say how long it is to be kept stays for so long.
        keep_succeeded: A driver that succeeded, and that its task has not deleted, stays for a next try for so long.
        stuck_after: A deletion that takes longer is reported.
        lifetime: How long a driver may take that does not say so.
        application_api: API of the SparkApplications that runs of mode ``crd`` make there. The task then fails where they may not be
            listed; without it, and without a driver of theirs in sight, that is a warning: runs of mode ``direct`` do not need that right.
        kubernetes_conn_id: Connection of type ``kubernetes``, as the other operators have it.
        instance: Name of this Airflow, as the other operators have it.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = ("namespace", *_LENGTHS, "application_api", "kubernetes_conn_id", "instance")
    ui_color = "#fdf2cc"

    def __init__(
        self,
        *,
        namespace: str | None = None,
        dry_run: bool = False,
        grace: str = "15m",
        keep_failed: str = "1h",
        keep_succeeded: str = "1d",
        stuck_after: str = "30m",
        lifetime: str = "7d",
        application_api: str | None = None,
        kubernetes_conn_id: str | None = "kubernetes_default",
        instance: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.namespace = namespace
        self.only_tell = dry_run
        self.grace = grace
        self.keep_failed = keep_failed
        self.keep_succeeded = keep_succeeded
        self.stuck_after = stuck_after
        self.lifetime = lifetime
        self.application_api = application_api
        self.kubernetes_conn_id = kubernetes_conn_id
        self.instance = instance

    def execute(self, context: Any) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Sweep once; returns how many objects there are by verdict, and those that were deleted.

        Raises:
            AirflowFailException: An argument is not valid.
            TransientError: Something could not be listed or deleted, or is stuck. Airflow retries.
        """
        import asyncio

        from airflow_dataops.clients.spark_k8s.sweep import SweepError
        from airflow_dataops.core.errors import DataOpsError, TransientError
        from airflow_dataops.core.spark_k8s.janitor import JanitorPolicy

        policy = policy_of(self, JanitorPolicy, _LENGTHS)
        try:
            report = asyncio.run(self._sweep(policy))
        except SweepError as error:
            raise TransientError(error.message, code=error.code, hint=error.hint) from error
        except DataOpsError as error:
            fail(error)
        tell(self, "dataops.spark_k8s.janitor", report.objects, report.alert_line)
        if report.warning:
            self.log.warning(report.warning)
        if not report.ok:
            told = [f"{one.finding.name}: {one.error or one.finding.text}" for one in report.bad]
            told += [f"{api} cannot be listed: {why}" for api, why in report.blind.items()]
            raise TransientError(f"the sweep is not complete: {'; '.join(told)}", code="JANITOR_FAILED")
        return _summary(report)

    async def _sweep(self, policy: JanitorPolicy) -> SweepReport:
        import asyncio

        from airflow_dataops.clients.drive import utcnow
        from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
        from airflow_dataops.clients.spark_k8s.sweep import sweep_namespace
        from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook

        hook = SparkKubernetesHook(self.kubernetes_conn_id)
        # Connections are read beside the loop: Airflow refuses to in one.
        settings = await asyncio.to_thread(lambda: hook.settings(self.namespace or hook.namespace() or "default"))
        used = (self.application_api,) if self.application_api else ()
        async with SparkKubeClient(settings) as client:
            return await sweep_namespace(client, policy, now=utcnow(), dry_run=self.only_tell, used=used)


def _summary(report: SweepReport) -> dict[str, Any]:
    listed = [
        {"name": one.finding.name, "uid": one.finding.uid, "verdict": one.finding.verdict.value, "done": one.done}
        for one in report.objects
        if one.done != "left"
    ]
    return {"dry_run": report.dry_run, "verdicts": counted(report.objects), "objects": listed}
