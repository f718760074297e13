# SPDX-License-Identifier: Apache-2.0
"""A step of a pipeline (gate, refine, publish, report) in a driver pod of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dataops.links.result_page import XCOM_KEY, ResultPageLink
from airflow_dataops.links.spark_k8s import SparkDriverPodLink, SparkHistoryLink
from airflow_dataops.operators import _job
from airflow_dataops.operators._refusal import fail, written
from airflow_dataops.operators.spark_k8s import _steps
from airflow_dataops.operators.spark_k8s._left import delete_left
from airflow_dataops.operators.spark_k8s._submit import SparkKubernetesSubmitOperator
from airflow_dataops.operators.spark_k8s._tell import tell

if TYPE_CHECKING:
    from airflow_dataops.core.s3 import S3Settings
    from airflow_dataops.core.spark_k8s.run import SparkRun
    from airflow_dataops.core.spark_k8s.spec import SparkApp
    from airflow_dataops.core.spark_k8s.state import Outcome


class SparkKubernetesStepOperator(SparkKubernetesSubmitOperator):
    """Run a step of a pipeline in a driver pod and, where it needs them, executors; the image has this package.

    The task adds what only the run knows: the run itself, the name of the step's records (the task's id), and the content of a suite that
    is given by its path. What the author's YAML refers to as a secret reaches the driver by its environment, from a Secret.

    Args:
        step: The step's spec with ``job`` (``dq_gate``, ``refine``, ``publish`` or ``report``) and ``engine``; every text may hold
            Jinja and ``${run.date}``.
        app: Image, sizes, properties and so on: a :class:`~airflow_dataops.core.spark_k8s.spec.SparkApp` without a program, or a dict.
        timezone: IANA name of the zone in which the run's date is meant.
        report_base_url: Address that stands for the lake's root, for the link to the page.
        s3: Settings of S3 without a connection: fields of :class:`~airflow_dataops.core.s3.S3Settings`, keys excepted.
        kwargs: Arguments of :class:`SparkKubernetesSubmitOperator`; ``aws_conn_id`` goes to the step's own S3 client, too.
    """

    template_fields: Sequence[str] = (*SparkKubernetesSubmitOperator.template_fields, "step", "s3", "report_base_url")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **SparkKubernetesSubmitOperator.template_fields_renderers,
        "step": "json",
        "s3": "json",
    }
    ui_color = "#fbe9d0"
    operator_extra_links = (ResultPageLink(), SparkHistoryLink(), SparkDriverPodLink())

    _lineage: tuple[dict[str, Any] | None, dict[str, Any] | None] = (None, None)

    def __init__(
        self,
        *,
        step: dict[str, Any],
        app: SparkApp | dict[str, Any],
        timezone: str = "UTC",
        report_base_url: str | None = None,
        s3: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(app=app, **kwargs)
        self.step = step
        self.timezone = timezone
        self.report_base_url = report_base_url
        self.s3 = s3

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the step; returns its verdict, counts and addresses, and under ``spark`` what its driver took.

        Raises:
            TaskDeferred: The triggerer goes on.
            AirflowFailException: The data did not pass, or the step failed in another way that a retry does not help.
            TransientError: It failed in a way that may pass. Airflow retries.
        """
        self._prepare(context)
        run = _steps.run_of(self)
        return self._finish(context, run, _steps.perform(self, context, run))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Tell how the step ended that the triggerer went on with; returns and raises as :meth:`execute`."""
        self._prepare(context)
        return self._finish(context, *_steps.resumed(self, event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after a deferral; where it timed out or its trigger broke, delete the driver first."""
        if next_method == _steps.FAIL:
            try:
                self._prepare(context)
            except Exception as error:  # noqa: BLE001  the driver is found by its labels, and has to go
                self.log.warning("the step cannot be read any more: %s", error)
        return super().resume_execution(next_method, next_kwargs, context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - OpenLineage's signature
        """Return what the step read and wrote."""
        from airflow_dataops.operators._lineage import of_step

        return of_step(self, *self._lineage)

    def _prepare(self, context: Any) -> None:
        """Make the step the operator's program."""
        from airflow_dataops.core.errors import DataOpsError
        from airflow_dataops.core.spark_k8s.step import step_app

        document = _job.step_document(self, context, self.step, engine="duckdb")
        self._lineage = (document, None)
        target = written(self.target) or {}
        mode = self.mode or target.get("mode") or "direct"
        try:
            app = step_app(_job.plain(written(self.app)), document, mode=mode, **_file(mode))
            if mode == "standalone":
                app["env"] = {**_python(), **(app.get("env") or {})}
            self.app = self._with_s3(app, document.get("engine", "duckdb"))
        except DataOpsError as error:
            fail(error)

    def _with_s3(self, app: dict[str, Any], engine: str) -> dict[str, Any]:
        """Return the program with what the step's own S3 client needs, and S3A where no connection will say that."""
        from airflow_dataops.core.s3_sources import as_environment

        settings = self._settings()
        if settings is None:
            return app
        said = as_environment(settings.model_dump(exclude_unset=True))
        found = {**app, "env": {**said, **(app.get("env") or {})}}
        if self.s3 and engine == "spark":
            conf = settings.for_s3a(str(app.get("spark_version", "3.5"))).conf
            found["conf"] = {**conf, **(app.get("conf") or {})}
        return found

    def _settings(self) -> S3Settings | None:
        from airflow_dataops.core.errors import SpecError
        from airflow_dataops.core.s3 import S3Settings
        from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook

        if self.s3 and self.aws_conn_id:
            raise SpecError("s3 and aws_conn_id both say where S3 is", hint="leave one of them out", code="S3_SETTINGS")
        if self.s3:
            return S3Settings(**_job.plain(self.s3))
        return SparkKubernetesHook(**_steps.connection_of(self)).s3()

    def _finish(self, context: Any, run: SparkRun, outcome: Outcome) -> dict[str, Any]:
        from airflow_dataops.core.errors import DataOpsError, from_dict
        from airflow_dataops.core.spark_k8s.step import read_message

        said = read_message(outcome.summary.result) or {}
        if outcome.failure is not None and "error" in said:
            tell(self, context, run, outcome)
            delete_left(self, context, run, outcome)
            _job.fail(from_dict(said["error"]), _page(self, context))
        kept = _steps.finish(self, context, run, outcome)
        if "step" not in said:
            hint = (
                f"the image has to run {run.app.module or run.app.main} of this package's version; see the driver's log"
            )
            fail(DataOpsError("the driver succeeded and left no result of a step", hint=hint, code="RESULT_MISSING"))
        step = said["step"]
        self._lineage = (self._lineage[0], step)
        _job.send_metrics(step)
        if step["job"] == "publish":
            _job.tell_assets(self, context, step)
        return _job.small(step, spark={name: value for name, value in kept.items() if name != "result"})


def _file(mode: str) -> dict[str, str]:
    """Return the file that starts the step where that is not the image's: the driver of mode standalone runs here."""
    from importlib.resources import files

    if mode != "standalone":
        return {}
    return {"program": str(files("airflow_dataops") / "resources/spark/step.py")}


def _python() -> dict[str, str]:
    """Return what lets the driver, a child of this process, run in this Python, which has this package; nothing where another is named."""
    import os
    import sys

    named = any(name in os.environ for name in ("PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON"))
    return {} if named else {"PYSPARK_DRIVER_PYTHON": sys.executable}


def _page(operator: Any, context: Any) -> str | None:
    ti = context["ti"]
    found: str | None = ti.xcom_pull(task_ids=operator.task_id, key=XCOM_KEY, map_indexes=getattr(ti, "map_index", -1))
    return found
