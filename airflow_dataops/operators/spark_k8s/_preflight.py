# SPDX-License-Identifier: Apache-2.0
"""A look at a namespace before anything is made in it: is all there that a Spark program will need?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_dataops.operators._preflight import conclude, level_of
from airflow_dataops.operators._refusal import fail
from airflow_dataops.operators.spark_k8s import _steps
from airflow_dataops.operators.spark_k8s._result import s3_client

if TYPE_CHECKING:
    from airflow_dataops.clients.s3 import S3Client
    from airflow_dataops.core.preflight.findings import Finding
    from airflow_dataops.core.spark_k8s.spec import KubernetesTarget, Mode, Policy, RunParts, SparkApp

_OWN_ENDPOINT = "spark.hadoop.fs.s3a.endpoint"


class SparkKubernetesPreflightOperator(BaseOperator):
    """Ask Kubernetes and S3 whether all is there that a run needs, and give the YAML that mends whatever is not; nothing is changed.

    Rights of Airflow's account and of the driver's, quotas and limits against the sizes, the service account, Secrets, claims, the
    cluster's security rules (by a dry creation of the pods), the addresses in S3. What may not be looked at is ``unknown``, never a pass.

    Args:
        app: The program: a dict or a :class:`~airflow_dataops.core.spark_k8s.spec.SparkApp`.
        target: Where it runs: a dict or a :class:`~airflow_dataops.core.spark_k8s.spec.KubernetesTarget`.
        policy: Deadlines and attempts: a dict or a :class:`~airflow_dataops.core.spark_k8s.spec.Policy`.
        mode: ``direct`` or ``crd``; None takes ``target.mode``.
        lake: Root of the tables in S3, looked at with what ``app`` names there.
        fail_on: ``problem`` fails where something is certain to be missing; ``unknown`` also where it could not be looked at; ``warning``
            also where it may not be enough.
        kubernetes_conn_id: Connection of type ``kubernetes``, as the run's.
        aws_conn_id: Connection of type ``aws``, as the run's. Without it the worker's environment says where S3 is.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = (
        "app",
        "target",
        "policy",
        "mode",
        "lake",
        "fail_on",
        "kubernetes_conn_id",
        "aws_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(("app", "target", "policy"), "json")
    ui_color = "#fdf2cc"

    def __init__(
        self,
        *,
        app: SparkApp | dict[str, Any],
        target: KubernetesTarget | dict[str, Any] | None = None,
        policy: Policy | dict[str, Any] | None = None,
        mode: Mode | None = None,
        lake: str | None = None,
        fail_on: str = "problem",
        kubernetes_conn_id: str | None = "kubernetes_default",
        aws_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.target = target
        self.policy = policy
        self.mode = mode
        self.lake = lake
        self.fail_on = fail_on
        self.kubernetes_conn_id = kubernetes_conn_id
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        """Ask once; returns how many findings there are by level, and those that are not ``ok``. XCom has it also when the task fails.

        Raises:
            AirflowFailException: Something is missing, or an argument is not valid.
        """
        level = level_of(self.fail_on)
        return conclude(self, context, self._ask(), level, "dataops.spark_k8s.preflight")

    def _ask(self) -> tuple[Finding, ...]:
        from airflow_dataops.clients.spark_k8s.preflight import preflight
        from airflow_dataops.core.errors import DataOpsError
        from airflow_dataops.core.spark_k8s.run import parse_parts
        from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook

        run = _steps.asked_for(self, parse_parts)
        try:
            settings = SparkKubernetesHook(self.kubernetes_conn_id).settings(run.target.namespace)
            return preflight(settings, run, s3=self._store(run), lake=self.lake)
        except DataOpsError as error:
            fail(error)

    def _store(self, run: RunParts) -> S3Client | None:
        """Return what looks at S3; None where the program has an endpoint of its own that nobody else knows."""
        from airflow_dataops.core.preflight.spark_k8s import stores_of

        if not stores_of(run, self.lake):
            return None
        if self.aws_conn_id is None and _OWN_ENDPOINT in run.app.conf and not os.environ.get("S3_ENDPOINT_URL"):
            return None
        return s3_client(self)
