# SPDX-License-Identifier: Apache-2.0
"""The operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_dataops.links.spark_k8s import SparkDriverPodLink, SparkHistoryLink
from airflow_dataops.operators._worker import Worker
from airflow_dataops.operators.spark_k8s import _steps

if TYPE_CHECKING:
    from airflow_dataops.clients.spark_k8s.submit import SubmitProcess
    from airflow_dataops.core.spark_k8s.spec import KubernetesTarget, Mode, Policy, SparkApp
    from airflow_dataops.core.spark_k8s.tracking import MlflowSettings
    from airflow_dataops.operators.spark_k8s._mlflow import Tracked


def _lineage(name: str) -> bool:
    return bool(conf.getboolean("openlineage", name, fallback=False))


class SparkKubernetesSubmitOperator(BaseOperator):
    """Run a Spark program in a driver pod and its executors, wait for its end, and tell how it ended.

    No spark-submit, no Java and, in mode ``direct``, no operator in the cluster is needed. A try that finds a driver of an earlier try of
    the same run takes it over; a driver that has succeeded is not run again, unless the task was cleared. Every text of ``app``, ``target``
    and ``policy`` may hold Jinja where they are dicts.

    The value in XCom has ``application_id``, ``driver_pod``, ``history_url``, ``pod_url``, ``seconds``, ``executor_peak``,
    ``exit_code`` and the program's own ``result``; it is also left under the key ``dataops_spark_run``, with ``failure`` where the run
    failed.

    Args:
        app: The program: a dict or a :class:`~airflow_dataops.core.spark_k8s.spec.SparkApp`. Secrets are given by ``secret_env`` only.
        target: Where it runs: a dict or a :class:`~airflow_dataops.core.spark_k8s.spec.KubernetesTarget`. Its ``namespace`` is the
            connection's where none is written.
        policy: Deadlines and attempts: a dict or a :class:`~airflow_dataops.core.spark_k8s.spec.Policy`.
        mode: ``direct`` (the driver's pod is created), ``crd`` (a SparkApplication, which an operator in the cluster turns into one)
            or ``standalone`` (``spark-submit`` on the worker to ``target.master``); None takes ``target.mode``.
        kubernetes_conn_id: Connection of type ``kubernetes``; None, or a default one that is not there, takes the worker's own cluster or
            kubeconfig.
        aws_conn_id: Connection of type ``aws``: its endpoint, region and path style become properties of S3A, and its keys a Secret that
            lives as long as the driver. None leaves S3 to ``app``.
        mlflow: Track the run in MLflow: parameters, seconds, executors, the numbers of the program's own result, the verdict; and the
            driver gets ``MLFLOW_RUN_ID`` and ``MLFLOW_TRACKING_URI``. True takes the workers' ``MLFLOW_TRACKING_URI``; else a dict or a
            :class:`~airflow_dataops.core.spark_k8s.tracking.MlflowSettings`. What goes wrong with it is a warning, never a failure.
        openlineage_inject_parent_job_info: Tell OpenLineage's listener in the driver that it is this task's child, by properties
            (``[openlineage] spark_inject_parent_job_info`` when omitted). Without the provider a warning.
        openlineage_inject_transport_info: Tell it also where events go, as this Airflow sends its own (``[openlineage]
            spark_inject_transport_info``); left out, with a warning, where a key or header belongs to that.
        instance: Name of this Airflow; two of them in one namespace must differ. ``[dataops] instance`` or the address of Airflow's web
            server when omitted.
        deferrable: Wait in the triggerer; in mode ``standalone`` the worker waits.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = (
        "app",
        "target",
        "policy",
        "mode",
        "kubernetes_conn_id",
        "aws_conn_id",
        "mlflow",
        "instance",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(("app", "target", "policy"), "json")
    ui_color = "#fbe3d0"
    operator_extra_links: tuple[Any, ...] = (SparkHistoryLink(), SparkDriverPodLink())

    _worker: Worker[Any] | None = None
    _child: SubmitProcess | None = None
    _tracked: Tracked | None = None

    def __init__(
        self,
        *,
        app: SparkApp | dict[str, Any],
        target: KubernetesTarget | dict[str, Any] | None = None,
        policy: Policy | dict[str, Any] | None = None,
        mode: Mode | None = None,
        kubernetes_conn_id: str | None = "kubernetes_default",
        aws_conn_id: str | None = None,
        mlflow: bool | MlflowSettings | dict[str, Any] = False,
        openlineage_inject_parent_job_info: bool = _lineage("spark_inject_parent_job_info"),
        openlineage_inject_transport_info: bool = _lineage("spark_inject_transport_info"),
        instance: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.target = target
        self.policy = policy
        self.mode = mode
        self.kubernetes_conn_id = kubernetes_conn_id
        self.aws_conn_id = aws_conn_id
        self.mlflow = mlflow
        self.openlineage_inject_parent_job_info = openlineage_inject_parent_job_info
        self.openlineage_inject_transport_info = openlineage_inject_transport_info
        self.instance = instance
        self.deferrable = deferrable

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the program; returns what is known of the run, with what the program left as its result.

        Raises:
            TaskDeferred: The triggerer goes on.
            AirflowFailException: It failed in a way that a retry does not help.
            TransientError: It failed in a way that may pass. Airflow retries.
        """
        run = _steps.run_of(self)
        return _steps.finish(self, context, run, _steps.perform(self, context, run))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Tell how the run ended that the triggerer went on with; returns and raises as :meth:`execute`."""
        return _steps.finish(self, context, *_steps.resumed(self, event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after a deferral; where it timed out or its trigger broke, delete the driver first."""
        if next_method == _steps.FAIL:
            _steps.clean_up(self, context)
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Delete the driver, and its executors with it; it does not wait for them to be gone."""
        if self._worker is not None:
            self._worker.kill("the task was killed")
        if self._child is not None:
            self._child.stop()
        if self._tracked is not None:
            self._tracked.kill()
