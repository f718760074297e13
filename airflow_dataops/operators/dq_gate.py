# SPDX-License-Identifier: Apache-2.0
"""A gate: check a table before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_dataops.links.result_page import XCOM_KEY, ResultPageLink
from airflow_dataops.operators import _job

if TYPE_CHECKING:
    from airflow_dataops.clients.job_process import JobProcess
    from airflow_dataops.core.dq_gate.spec import GateSpec, OnFailure
    from airflow_dataops.core.tables import MaskSpec, QuarantineSpec, Resources, Slice, SourceSpec

_FIELDS = (
    "source", "slice", "rules", "on_failure", "max_quarantine_ratio", "quarantine", "commit_quarantine", "masks", "examples",
)  # fmt: skip


class DataQualityGateOperator(BaseOperator):
    """Check a table against a suite or rules, in one pass, in a process of its own.

    Bad rows are put aside, or the task fails and is not retried; a fault that may pass (storage) is. Every text may hold Jinja, and
    ``${run.date}`` and its like.

    Args:
        lake: Root of the lake: an absolute folder or a URI.
        slice: Which rows are the run's: ``{"kind": "full"}``, ``{"kind": "window", "column": …}``, or a model of these.
        source: Table to check: ``{"path": …, "format": …}`` or a :class:`~airflow_dataops.core.tables.SourceSpec`; None checks
            what this run's refine task has staged.
        suite: A Great Expectations suite as a dict, or the path of its JSON file, absolute or relative to the DAG file; it is
            read when the task runs.
        rules: Rules in the short form, added to the suite's.
        on_failure: ``fail``, ``quarantine`` or ``warn``.
        max_quarantine_ratio: Highest share of rows, 0..1, that may be put aside.
        quarantine: How bad rows are kept.
        commit_quarantine: True keeps bad rows at the end of this task; False leaves that to the task that publishes.
        masks: Column -> mask, for examples and for the quarantine.
        examples: Bad rows a rule that are shown.
        pipeline: Name that the run's records are kept under; the DAG id when omitted.
        timezone: IANA name of the zone in which the run's date is meant.
        engine: Engine that does the work.
        job_resources: Limits of the job's process: ``memory_bytes`` (80 % of what its cgroup or machine has free at the start where it is
            omitted), ``threads`` (all cores of the cgroup) and ``spill_dir`` (the system's temporary folder). (``resources``
            is Airflow's own.)
        report_base_url: Address that stands for the lake's root, for the link to the page.
        aws_conn_id: Connection of type ``aws`` for addresses in S3; None takes ``S3_…`` and ``AWS_…`` of the worker's environment.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = (
        "lake", "source", "slice", "suite", "rules", "masks", "quarantine", "pipeline", "job_resources", "report_base_url",
        "aws_conn_id",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        ("source", "slice", "suite", "rules", "masks", "quarantine", "job_resources"), "json"
    )
    ui_color = "#d8ecdf"
    operator_extra_links = (ResultPageLink(),)

    consequence: ClassVar[str] = "Nothing was published."

    _process: JobProcess | None = None
    _spec: GateSpec | None = None
    _result: dict[str, Any] | None = None

    def __init__(
        self,
        *,
        lake: str,
        slice: Slice | dict[str, Any],
        source: SourceSpec | dict[str, Any] | None = None,
        suite: dict[str, Any] | str | None = None,
        rules: Sequence[dict[str, Any]] = (),
        on_failure: OnFailure = "fail",
        max_quarantine_ratio: float = 1.0,
        quarantine: QuarantineSpec | dict[str, Any] | None = None,
        commit_quarantine: bool = False,
        masks: Mapping[str, MaskSpec | dict[str, Any]] | None = None,
        examples: int = 5,
        pipeline: str | None = None,
        timezone: str = "UTC",
        engine: str = "duckdb",
        job_resources: Resources | dict[str, Any] | None = None,
        report_base_url: str | None = None,
        aws_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.lake = lake
        self.slice = slice
        self.source = source
        self.suite = suite
        self.rules = rules
        self.on_failure = on_failure
        self.max_quarantine_ratio = max_quarantine_ratio
        self.quarantine = quarantine
        self.commit_quarantine = commit_quarantine
        self.masks = masks
        self.examples = examples
        self.pipeline = pipeline
        self.timezone = timezone
        self.engine = engine
        self.job_resources = job_resources
        self.report_base_url = report_base_url
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the gate and return its verdict, counts and addresses.

        Raises:
            AirflowFailException: The data did not pass, or what the author wrote is not valid. Airflow does not retry.
            TransientError: Something failed that may pass. Airflow retries.
        """
        from airflow_dataops.core.dq_gate.spec import GateSpec

        suite = _job.suite_of(self, self.suite)
        self._spec = _job.build_spec(self, context, GateSpec, _FIELDS, suite=suite)
        self._result = _job.run_job(self, context, self._spec)
        if self._result["verdict"] == "failed":
            self._fail(context)
        return _job.small(self._result)

    def on_kill(self) -> None:
        """End the work at once."""
        _job.stop(self)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - OpenLineage's signature
        """Return the table that was read and the rules' outcomes, also where the gate failed."""
        from airflow_dataops.operators._lineage import facets

        return facets(self._spec, self._result)

    def _fail(self, context: Any) -> None:
        from airflow_dataops.core.dq_gate.spec import GateResult
        from airflow_dataops.core.failure_text import gate_failure

        page = context["ti"].xcom_pull(task_ids=self.task_id, key=XCOM_KEY, map_indexes=context["ti"].map_index)
        raise AirflowFailException(gate_failure(GateResult.model_validate(self._result), page, self.consequence))


__all__ = ["DataQualityGateOperator"]
