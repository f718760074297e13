# SPDX-License-Identifier: Apache-2.0
"""A look at Google Cloud before anything is made: is all there that a cluster and its job will need?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_dataops.operators._job import plain
from airflow_dataops.operators._preflight import conclude, level_of
from airflow_dataops.operators._refusal import fail, written

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, DaskJob, Policy, RunParts
    from airflow_dataops.core.preflight.dataproc_dask import Lifecycle
    from airflow_dataops.core.preflight.findings import Finding


class DataprocDaskPreflightOperator(BaseOperator):
    """Ask Google whether all is there that a run needs, and name the line to type for whatever is not; nothing is changed.

    Permissions, the machines' account, the subnetwork, the key's grants, buckets, scripts, environment, quotas and the NFS server's network
    are looked at with the same account that will make the cluster. What that account may not read is ``unknown``, never a pass.

    Args:
        cluster: The cluster: a dict or a :class:`~airflow_dataops.core.dataproc_dask.spec.ClusterSpec`.
        job: The function and its arguments: a dict or a :class:`~airflow_dataops.core.dataproc_dask.spec.DaskJob`; None looks at the
            cluster alone.
        policy: Deadlines, attempts and budget: a dict or a :class:`~airflow_dataops.core.dataproc_dask.spec.Policy`.
        bucket: Bucket for the job's document and result; the cluster's ``staging_bucket`` when omitted.
        lifecycle: Who makes and deletes the cluster, ``airflow`` or ``google``: they need other permissions.
        fail_on: ``problem`` fails where something is certain to be missing; ``unknown`` also where it could not be looked at; ``warning``
            also where it may not be enough.
        gcp_conn_id: Connection of type ``google_cloud_platform``; None asks Google as the worker's own account.
        impersonation_chain: An account to act as, or several: the last one through those before it.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = (
        "cluster", "job", "policy", "bucket", "lifecycle", "fail_on", "gcp_conn_id", "impersonation_chain",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(("cluster", "job", "policy"), "json")
    ui_color = "#fdf2cc"

    def __init__(
        self,
        *,
        cluster: ClusterSpec | dict[str, Any],
        job: DaskJob | dict[str, Any] | None = None,
        policy: Policy | dict[str, Any] | None = None,
        bucket: str | None = None,
        lifecycle: Literal["airflow", "google"] = "airflow",
        fail_on: str = "problem",
        gcp_conn_id: str | None = "google_cloud_default",
        impersonation_chain: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cluster = cluster
        self.job = job
        self.policy = policy
        self.bucket = bucket
        self.lifecycle = lifecycle
        self.fail_on = fail_on
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain

    def execute(self, context: Any) -> dict[str, Any]:
        """Ask once; returns how many findings there are by level, and those that are not ``ok``. XCom has it also when the task fails.

        Raises:
            AirflowFailException: Something is missing, an argument is not valid, or there is no token to ask with.
            TransientError: Google did not give a token for now. Airflow retries.
        """
        level = level_of(self.fail_on)
        return conclude(self, context, self._ask(), level, "dataops.dataproc_dask.preflight")

    def _ask(self) -> tuple[Finding, ...]:
        from airflow_dataops.clients.dataproc_dask.preflight import preflight
        from airflow_dataops.core.errors import DataOpsError
        from airflow_dataops.hooks.dataproc_dask import DataprocDaskHook

        parts, lifecycle = self._parts(), self._lifecycle()
        hook = DataprocDaskHook(self.gcp_conn_id, self.impersonation_chain)
        bucket = self.bucket.removeprefix("gs://").strip("/") if self.bucket else None
        try:
            settings = hook.settings(parts.cluster.project, parts.cluster.region)
            return preflight(settings, parts, bucket=bucket, lifecycle=lifecycle)
        except DataOpsError as error:
            fail(error)

    def _parts(self) -> RunParts:
        from airflow_dataops.core.dataproc_dask.run import parse_parts
        from airflow_dataops.core.errors import DataOpsError

        try:
            document = {"cluster": self.cluster, "job": self.job, "policy": self.policy or {}}
            return parse_parts(plain({key: written(part) for key, part in document.items()}))
        except DataOpsError as error:
            fail(error)

    def _lifecycle(self) -> Lifecycle:
        if self.lifecycle not in ("airflow", "google"):
            known = "known are airflow, google"
            raise AirflowFailException(f"PREFLIGHT_INVALID: lifecycle is {self.lifecycle!r}; {known}")
        return self.lifecycle
