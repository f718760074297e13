# SPDX-License-Identifier: Apache-2.0
"""bronze_to_silver: gate the bronze slice, refine it to staging, gate what is staged, publish it, report on the run."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from airflow_dataops.core.tables import MaskSpec
from dag_factories.arguments import common_arguments, task_arguments
from dag_factories.plans.common import (
    alerts_of,
    asset_uri,
    dag_with_assets,
    engine_of,
    is_in_drivers,
    is_on_cluster,
    resources_of,
)
from dag_factories.plans.model import JobPlan, Plan, ProjectFile, SecretValue, TaskPlan
from dag_factories.project import Project, Target
from dag_factories.references import typed_values
from dag_factories.specs.bronze_to_silver import BronzeToSilverSpec, Gate, SilverGate

_OPERATORS = {
    "dq_gate": "dq_gate.DataQualityGateOperator",
    "refine": "refine.RefineTableOperator",
    "publish": "refine.PublishTableOperator",
    "report": "refine.RunReportOperator",
}
_SCALARS = (bool, int, float, str)
GATE_BRONZE, REFINE, GATE_SILVER, PUBLISH, REPORT = "gate_bronze", "refine", "gate_silver", "publish", "report"


def plan(spec: BronzeToSilverSpec, project: Project, target: Target, source_file: str) -> Plan:
    """Return the plan of a pipeline; nothing is read and nothing is expanded that only a run knows.

    Args:
        spec: The pipeline.
        project: Its project.
        target: Where it runs.
        source_file: The YAML file, relative to the project's folder.

    Raises:
        SpecError: The target's engine or runner cannot run this kind (``ENGINE_NOT_AVAILABLE``), or its clusters are not said
            (``DASK_TARGET_MISSING``, ``UNKNOWN_SHAPE``), or its drivers are not (``SPARK_TARGET_MISSING``).
    """
    parts = _Parts(spec, project, target)
    tasks = [one for one in (parts.gate_bronze(), parts.refine(), parts.gate_silver(), parts.publish()) if one]
    tasks.append(parts.report(tasks))
    dag, groups = parts.dag(target), dict[str, str]()
    if is_on_cluster(target):
        from dag_factories.plans.on_cluster import GROUPS, on_cluster  # what knows Dask is imported where it is needed

        tasks, groups = on_cluster(spec, project, target, tasks, dag["timezone"]), GROUPS
    elif is_in_drivers(target):
        from dag_factories.plans.on_spark import on_spark

        tasks = on_spark(target, tasks, dag["timezone"])
    return Plan(
        kind=spec.kind,
        name=spec.name,
        source_file=source_file,
        target=target.name,
        dag=dag,
        tasks=tasks,
        assets=[parts.asset],
        groups=groups,
        routes=project.routes,
        alerts=alerts_of(spec),
    )


class _Parts:
    """The tasks of one pipeline; each method makes one of them, or None where the pipeline has none."""

    def __init__(self, spec: BronzeToSilverSpec, project: Project, target: Target) -> None:
        self.spec, self.project = spec, project
        self.arguments = common_arguments(spec, project)
        table = project.table(spec.target.path, target)
        self.asset = asset_uri(table, spec.target.path, target)
        self.source = {**_dump(spec.source), "path": typed_values(project.table(spec.source.path, target))}
        self.table = {**_dump(spec.target), "path": typed_values(table)}
        self.slice = typed_values(spec.slice().model_dump(mode="json"))
        self.common = {
            "lake": typed_values(target.lake),
            "engine": engine_of(spec, target),
            "resources": resources_of(spec.resources, target),
        }
        self.masks = self._masks()
        self.quarantine = _dump(spec.quarantine)
        known = {"report_base_url": target.config.report_base_url, "aws_conn_id": target.config.aws_conn_id}
        self.link = {name: value for name, value in known.items() if value is not None}

    def dag(self, target: Target) -> dict[str, Any]:
        """Return the arguments of the DAG."""
        arguments = dag_with_assets(self.spec, self.project, target)
        if self.slice["kind"] == "full":
            # Two runs that each replace the whole table can only wait for one another.
            arguments.setdefault("max_active_runs", 1)
        return arguments

    def gate_bronze(self) -> TaskPlan | None:
        """Check the run's slice of the source, in the source's column names."""
        gate = self.spec.quality.bronze
        if gate is None:
            return None
        old_names = {new: old for old, new in self.spec.clean.rename.items()}
        job = self._gate(gate, source=self.source, masks={old_names.get(c, c): mask for c, mask in self.masks.items()})
        job["max_quarantine_ratio"] = gate.max_quarantine_ratio
        return self._task(GATE_BRONZE, "dq_gate", job, upstream=[], doc="Check the run's rows of the source")

    def refine(self) -> TaskPlan:
        """Clean the slice into staged files."""
        spec = self.spec
        bronze = spec.quality.bronze
        puts_aside = bronze is not None and bronze.on_failure == "quarantine"
        job = {
            "source": self.source,
            "slice": self.slice,
            "exclude": [GATE_BRONZE] if puts_aside else [],
            "clean": _dump(spec.clean),
            "drift": _dump(spec.drift),
            "masks": {spec.clean.rename.get(c, c): mask for c, mask in self.masks.items()},
            "target": self.table,
            "quarantine": self.quarantine,
            "max_quarantine_ratio": bronze.max_quarantine_ratio if bronze else 1.0,
        }
        upstream = [GATE_BRONZE] if bronze else []
        doc = "Clean, deduplicate and mask the rows into staged files"
        return self._task(REFINE, "refine", job, upstream=upstream, doc=doc, arguments={"publish": False})

    def gate_silver(self) -> TaskPlan | None:
        """Check what is staged."""
        gate = self.spec.quality.silver
        if gate is None:
            return None
        # Staged columns are masked already; what is masked again in an example would not help to find the row.
        job = self._gate(gate, source=None, masks={})
        return self._task(
            GATE_SILVER, "dq_gate", job, upstream=[REFINE], doc="Check the staged rows before anybody sees them"
        )

    def publish(self) -> TaskPlan:
        """Commit what is staged."""
        quality = self.spec.quality
        gates = [id_ for id_, gate in ((GATE_BRONZE, quality.bronze), (GATE_SILVER, quality.silver)) if gate]
        owned = dict(self.slice)
        if "column" in owned:
            owned["column"] = self.spec.clean.rename.get(owned["column"], owned["column"])
        job = {"target": self.table, "slice": owned, "gates": gates, "quarantine": self.quarantine}
        upstream = [GATE_SILVER if quality.silver else REFINE]
        doc = "Commit bad rows, then the table"
        return self._task(PUBLISH, "publish", job, upstream=upstream, doc=doc, outlets=[self.asset])

    def report(self, steps: list[TaskPlan]) -> TaskPlan:
        """Gather the results, whatever happened."""
        ids = [step.id for step in steps]
        job = {"title": self.spec.report.title or self.spec.name, "steps": ids, "history": self.spec.report.history}
        doc = "Gather the results and write the page"
        return self._task(REPORT, "report", job, upstream=[PUBLISH], doc=doc, role="teardown", tells_verdict=True)

    def _gate(self, gate: Gate | SilverGate, *, source: dict[str, Any] | None, masks: dict[str, Any]) -> dict[str, Any]:
        suite = ProjectFile(path=gate.suite).model_dump() if gate.suite else None
        return {
            "source": source,
            "slice": self.slice,
            "suite": suite,
            "rules": gate.rules,
            "on_failure": gate.on_failure,
            "quarantine": self.quarantine,
            "masks": masks,
            "examples": gate.examples,
        }

    def _task(
        self, task_id: str, stem: str, job: dict[str, Any], *, arguments: dict[str, Any] | None = None, **more: Any
    ) -> TaskPlan:
        # None and what is empty say nothing; false and 0 do.
        said = {k: value for k, value in {**self.common, **job}.items() if value or isinstance(value, _SCALARS)}
        more.setdefault("outlets", [])  # a default would be copied for each task
        return TaskPlan(
            id=task_id,
            operator=_OPERATORS[stem],
            job=JobPlan(stem=stem, spec=said),
            arguments={**self.link, **(arguments or {})},
            task_args=task_arguments(self.spec, self.arguments, task_id),
            **more,
        )

    def _masks(self) -> dict[str, Any]:
        """Return column, as the author named it -> dumped mask: the column's own, else that of its first tag with one."""
        central = self.project.spec.masks
        found: dict[str, MaskSpec] = {}
        for name, column in self.spec.columns.items():
            mask = column.mask or next((central[tag] for tag in column.tags if tag in central), None)
            if mask is not None:
                found[name] = mask
        return {name: _mask(mask) for name, mask in found.items()}


def _mask(mask: MaskSpec) -> dict[str, Any]:
    salt = SecretValue(secret=mask.salt.secret).model_dump() if mask.salt else None
    return {"kind": mask.kind, "salt": salt}


def _dump(model: BaseModel) -> dict[str, Any]:
    """Return what differs from a job's own defaults: a plan says what the author said, and no more."""
    return model.model_dump(mode="json", exclude_defaults=True) if model.model_fields_set else {}


PLAN = plan

__all__ = ["PLAN", "plan"]
