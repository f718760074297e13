# SPDX-License-Identifier: Apache-2.0
"""Bronze to silver: clean a slice into staged files, publish them, report on the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_dataops.links.result_page import ResultPageLink
from airflow_dataops.operators import _job

if TYPE_CHECKING:
    from airflow_dataops.clients.job_process import JobProcess
    from airflow_dataops.core.refine.spec import CleanSpec, DriftSpec
    from airflow_dataops.core.tables import JobSpec, MaskSpec, QuarantineSpec, Resources, Slice, SourceSpec, TargetSpec

_REFINE_FIELDS = (
    "source", "slice", "exclude", "clean", "drift", "masks", "target", "quarantine", "max_quarantine_ratio",
)  # fmt: skip
_PUBLISH_FIELDS = ("target", "slice", "gates", "quarantine")
# A refine task that also publishes leaves two records; the second has this at the end of its name.
_PUBLISH_STEP = ".publish"
_COMMON_TEMPLATES = ("lake", "pipeline", "job_resources", "report_base_url", "aws_conn_id")


class RefineTableOperator(BaseOperator):
    """Read the run's slice of a table, clean, deduplicate and mask it, and publish the result, in a process of its own.

    With ``publish=False`` the files are staged only, so that a gate can look at them before a :class:`PublishTableOperator`
    commits them. Every text may hold Jinja, and ``${run.date}`` and its like.

    Args:
        lake: Root of the lake: an absolute folder or a URI.
        source: Table to read: ``{"path": …, "format": …}`` or a :class:`~airflow_dataops.core.tables.SourceSpec`.
        slice: Which rows are the run's: ``{"kind": "full"}``, ``{"kind": "window", "column": …}``, or a model of these.
        target: Table to publish to: ``{"path": …, "partition_by": […]}`` or a model.
        clean: Cleaning steps, as :class:`~airflow_dataops.core.refine.spec.CleanSpec`.
        drift: What happens when the source's columns change.
        masks: Column -> mask.
        exclude: Ids of gate tasks of this run whose quarantined rows are left out.
        gates: Ids of gate tasks of this run that must have passed before anything is published.
        quarantine: How rows are kept that do not cast.
        max_quarantine_ratio: Highest share of rows, 0..1, that may be put aside.
        publish: False stages the files and leaves the table alone.
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
        *_COMMON_TEMPLATES, "source", "slice", "target", "clean", "drift", "masks", "exclude", "gates", "quarantine",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        ("source", "slice", "target", "clean", "drift", "masks", "quarantine", "job_resources"), "json"
    )
    ui_color = "#d9e6f5"
    operator_extra_links = (ResultPageLink(),)

    _process: JobProcess | None = None
    _lineage: tuple[JobSpec | None, dict[str, Any] | None] = (None, None)
    _published: tuple[JobSpec | None, dict[str, Any] | None] = (None, None)

    # fmt: off
    def __init__(
        self,
        *,
        lake: str,
        source: SourceSpec | dict[str, Any],
        slice: Slice | dict[str, Any],
        target: TargetSpec | dict[str, Any],
        clean: CleanSpec | dict[str, Any] | None = None,
        drift: DriftSpec | dict[str, Any] | None = None,
        masks: Mapping[str, MaskSpec | dict[str, Any]] | None = None,
        exclude: Sequence[str] = (), gates: Sequence[str] = (),
        quarantine: QuarantineSpec | dict[str, Any] | None = None,
        max_quarantine_ratio: float = 1.0,
        publish: bool = True,
        pipeline: str | None = None, timezone: str = "UTC", engine: str = "duckdb",
        job_resources: Resources | dict[str, Any] | None = None,
        report_base_url: str | None = None,
        aws_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
    # fmt: on
        super().__init__(**kwargs)
        self.lake = lake
        self.source = source
        self.slice = slice
        self.target = target
        self.clean = clean
        self.drift = drift
        self.masks = masks
        self.exclude = exclude
        self.gates = gates
        self.quarantine = quarantine
        self.max_quarantine_ratio = max_quarantine_ratio
        self.publish = publish
        self.pipeline = pipeline
        self.timezone = timezone
        self.engine = engine
        self.job_resources = job_resources
        self.report_base_url = report_base_url
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        """Refine, publish where asked to, and return counts and addresses.

        Raises:
            AirflowFailException: The data or the specification is at fault. Airflow does not retry.
            TransientError: Something failed that may pass. Airflow retries.
        """
        from airflow_dataops.core.refine.spec import PublishSpec, RefineSpec

        spec = _job.build_spec(self, context, RefineSpec, _REFINE_FIELDS)
        self._lineage = (spec, None)
        refined = _job.run_job(self, context, spec)
        self._lineage = (spec, refined)
        if not self.publish:
            return _job.small(refined)
        # A renamed window column has its new name in the table.
        task = f"{spec.task}{_PUBLISH_STEP}"
        owned = _job.renamed_slice(spec)
        published_spec = _job.build_spec(self, context, PublishSpec, _PUBLISH_FIELDS, task=task, slice=owned)
        self._published = (published_spec, None)
        published = _job.run_job(self, context, published_spec)
        self._published = (published_spec, published)
        _job.tell_assets(self, context, published)
        return _job.small(published, rows=refined["rows"], bytes_read=refined["bytes_read"])

    def on_kill(self) -> None:
        """End the work at once."""
        _job.stop(self)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - OpenLineage's signature
        """Return the table that was read and the one that was published."""
        from airflow_dataops.operators._lineage import refined_and_published

        return refined_and_published(self._lineage, self._published)


class PublishTableOperator(BaseOperator):
    """Commit what this run's refine task has staged: bad rows first, then the table, whole or not at all.

    Args:
        lake: Root of the lake.
        target: Table to publish to, as the refine task has it.
        slice: What the run owns of it, in the table's column names.
        gates: Ids of gate tasks of this run that must have passed.
        quarantine: How bad rows are kept.
        pipeline: Name that the run's records are kept under; the DAG id when omitted.
        timezone: IANA name of the zone in which the run's date is meant.
        engine: Engine that does the work.
        job_resources: Limits of the process.
        report_base_url: Address that stands for the lake's root, for the link to the page.
        aws_conn_id: Connection of type ``aws`` for addresses in S3; None takes ``S3_…`` and ``AWS_…`` of the worker's environment.
        kwargs: Arguments of every task; an asset in ``outlets`` gets an event with the rows published.
    """

    template_fields: Sequence[str] = (*_COMMON_TEMPLATES, "target", "slice", "gates", "quarantine")
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        ("target", "slice", "quarantine", "job_resources"), "json"
    )
    ui_color = "#f6e6cc"
    operator_extra_links = (ResultPageLink(),)

    _process: JobProcess | None = None
    _lineage: tuple[JobSpec | None, dict[str, Any] | None] = (None, None)

    def __init__(
        self,
        *,
        lake: str,
        target: TargetSpec | dict[str, Any],
        slice: Slice | dict[str, Any],
        gates: Sequence[str] = (),
        quarantine: QuarantineSpec | dict[str, Any] | None = None,
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
        self.target = target
        self.slice = slice
        self.gates = gates
        self.quarantine = quarantine
        self.pipeline = pipeline
        self.timezone = timezone
        self.engine = engine
        self.job_resources = job_resources
        self.report_base_url = report_base_url
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        """Publish, and return counts and addresses.

        Raises:
            AirflowFailException: The table cannot take what is staged, or a gate did not pass. Airflow does not retry.
            TransientError: Another run holds the table, or storage failed. Airflow retries.
        """
        from airflow_dataops.core.refine.spec import PublishSpec

        spec = _job.build_spec(self, context, PublishSpec, _PUBLISH_FIELDS)
        self._lineage = (spec, None)
        result = _job.run_job(self, context, spec)
        self._lineage = (spec, result)
        _job.tell_assets(self, context, result)
        return _job.small(result)

    def on_kill(self) -> None:
        """End the work at once; what was begun is rolled forward or back by the next try."""
        _job.stop(self)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - OpenLineage's signature
        """Return the table that was published."""
        from airflow_dataops.operators._lineage import facets

        return facets(*self._lineage)


class RunReportOperator(BaseOperator):
    """Gather the results of the run's tasks into ``result.json`` and the HTML page.

    Use it as a teardown (``report.as_teardown(on_failure_fail_dagrun=False)``): it then runs whatever happened before, and never turns
    a failed run green, which a leaf with ``trigger_rule="all_done"`` does.

    Args:
        lake: Root of the lake.
        title: Name of the pipeline as the page shows it.
        steps: Ids of the tasks whose results belong to the run, in order. The publish of a refine task that publishes by itself
            is added.
        history: Number of earlier runs in the charts.
        pipeline: Name that the run's records are kept under; the DAG id when omitted.
        timezone: IANA name of the zone in which the run's date is meant.
        engine: Engine that the spec names; the report itself needs none.
        job_resources: Limits of the process.
        report_base_url: Address that stands for the lake's root, for the link to the page.
        aws_conn_id: Connection of type ``aws`` for addresses in S3; None takes ``S3_…`` and ``AWS_…`` of the worker's environment.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = (*_COMMON_TEMPLATES, "title", "steps")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job_resources": "json"}
    ui_color = "#eadff2"
    operator_extra_links = (ResultPageLink(),)

    _process: JobProcess | None = None

    def __init__(
        self,
        *,
        lake: str,
        title: str,
        steps: Sequence[str],
        history: int = 30,
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
        self.title = title
        self.steps = steps
        self.history = history
        self.pipeline = pipeline
        self.timezone = timezone
        self.engine = engine
        self.job_resources = job_resources
        self.report_base_url = report_base_url
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        """Write the page, and return the run's verdict; the task succeeds whatever the verdict is.

        Raises:
            AirflowFailException: The results cannot be read. Airflow does not retry.
            TransientError: Storage failed. Airflow retries.
        """
        from airflow_dataops.core.refine.spec import ReportSpec

        steps = _with_publish_steps(self.dag, self.steps)
        spec = _job.build_spec(self, context, ReportSpec, ("title", "history"), steps=steps)
        return _job.small(_job.run_job(self, context, spec))

    def on_kill(self) -> None:
        """End the work at once."""
        _job.stop(self)


def _with_publish_steps(dag: Any, steps: Sequence[str]) -> list[str]:
    """Return the steps, each refine task that publishes by itself followed by that publish."""
    found: list[str] = []
    for step in steps:
        found.append(step)
        task = dag.task_dict.get(step)
        if isinstance(task, RefineTableOperator) and task.publish:
            found.append(f"{step}{_PUBLISH_STEP}")
    return found


__all__ = ["PublishTableOperator", "RefineTableOperator", "RunReportOperator"]
