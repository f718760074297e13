# SPDX-License-Identifier: Apache-2.0
"""gpu_metadata: look whether all is there, check the group, drain, gate what was drained, compare topic, store and archive, report."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.metadata import slice as table
from dag_factories.arguments import common_arguments, task_arguments
from dag_factories.plans.common import alerts_of, dag_with_assets, resources_of, said
from dag_factories.plans.model import JobPlan, Plan, ProjectFile, TaskOutput, TaskPlan
from dag_factories.project import Project, Target
from dag_factories.references import secret, typed_values
from dag_factories.specs.edge import MetadataTarget
from dag_factories.specs.gpu_metadata import GpuMetadataSpec, GroupHealth

PREFLIGHT, POST, HEALTH, DRAIN, GATE, RECONCILE, ROUND_TRIP, REPORT = (
    "preflight", "post_check_event", "health", "drain", "gate", "reconcile", "round_trip", "report",
)  # fmt: skip
_OPERATORS = {
    "metadata_preflight": "metadata.MetadataPreflightOperator",
    "metadata_health": "metadata.MetadataHealthOperator",
    "metadata_drain": "metadata.MetadataDrainOperator",
    "metadata_reconcile": "metadata.MetadataReconcileOperator",
    "metadata_round_trip": "metadata.MetadataRoundTripOperator",
    "dq_gate": "metadata.MetadataGateOperator",
    "report": "refine.RunReportOperator",
}
_KAFKA_HEALTH = "kafka_health.KafkaConsumerHealthOperator"


def plan(spec: GpuMetadataSpec, project: Project, target: Target, source_file: str) -> Plan:
    """Return the plan of a pipeline; nothing is read and nothing is expanded that only a run knows.

    Args:
        spec: The pipeline.
        project: Its project.
        target: Where it runs.
        source_file: The YAML file, relative to the project's folder.

    Raises:
        SpecError: The target has no servers, and is meant for production (``EMBEDDED_IN_PRODUCTION``) or has no folder for files
            (``METADATA_TARGET_MISSING``); or a secret stands in the file (``SECRET_IN_FILE``).
    """
    parts = _Parts(spec, project, target)
    tasks = parts.tasks()
    dag = dag_with_assets(spec, project, target)
    dag.setdefault("max_active_runs", 1)  # runs of one group can only wait for one another
    return Plan(
        kind=spec.kind,
        name=spec.name,
        source_file=source_file,
        target=target.name,
        dag=dag,
        tasks=tasks,
        routes=project.routes,
        alerts=alerts_of(spec),
    )


class _Parts:
    """The tasks of one pipeline."""

    def __init__(self, spec: GpuMetadataSpec, project: Project, target: Target) -> None:
        self.spec, self.project, self.target = spec, project, target
        self.servers = target.config.metadata
        self.arguments = common_arguments(spec, project)
        self.common = {"lake": typed_values(target.lake), "resources": resources_of(spec.resources, target)}
        known = {"report_base_url": target.config.report_base_url, "aws_conn_id": target.config.aws_conn_id}
        self.link = {name: value for name, value in known.items() if value is not None}
        archive = None if spec.archive is None else typed_values(project.table(spec.archive, target))
        transforms = spec.transforms.model_dump(mode="json", exclude_defaults=True)
        self.shared = {**self._servers(), "archive": archive, "transforms": typed_values(transforms)}

    def tasks(self) -> list[TaskPlan]:
        """Return all tasks, one after the other, the report as a teardown."""
        made = [self._preflight()]
        if self.spec.round_trip:
            made.append(self._round_trip(POST, "post", "Post a marked event"))
        made += [self._health(), self._drain()]
        if self.spec.round_trip:
            # Before the gate: where that fails, no marked event is left in the store.
            doc = "See the marked event in store and archive, and remove it"
            made.append(self._round_trip(ROUND_TRIP, "await", doc))
        if self.spec.quality.drained is not None:
            made.append(self._gate())
        made.append(self._reconcile())
        chained = [task.model_copy(update={"upstream": [before.id]}) for before, task in pairwise(made)]
        tasks = [made[0], *chained]
        return [*tasks, self._report(tasks)]

    def _servers(self) -> dict[str, Any]:
        spec, servers = self.spec, self.servers
        topics = {"topic": spec.topic, "group": spec.group, "dead_topic": spec.dead}
        if servers is None:
            return self._embedded(topics)
        events: dict[str, Any] = {"kind": "kafka", **topics, "settings": typed_values(servers.kafka)}
        if servers.kafka_conn_id is not None:
            events["connection"] = {"ref": "secret", "secret": f"conn:{servers.kafka_conn_id}.extra"}
        store = {
            "kind": "mongo",
            "uri": secret(servers.mongo_uri).model_dump(),
            "database": servers.database,
            "collection": spec.collection,
        }
        return {"events": said(events), "store": store}

    def _embedded(self, topics: dict[str, str]) -> dict[str, Any]:
        if self.target.config.production:
            raise SpecError(
                f"target {self.target.name!r} is marked production, and does not say where Kafka and the store are",
                hint="add to the target: metadata: {kafka_conn_id: …, mongo_uri: '${conn:….uri}'}",
                code="EMBEDDED_IN_PRODUCTION",
            )
        if "://" in self.target.lake or self.target.config.runner != "local":
            raise SpecError(
                f"target {self.target.name!r} says nothing of Kafka and the store, and its lake is no folder of this machine",
                hint="add to the target: metadata: {kafka_conn_id: …, mongo_uri: '${conn:….uri}'}, or choose one with runner: local",
                code="METADATA_TARGET_MISSING",
            )
        folder = f"{self.target.lake}/.dataops/metadata"
        events: dict[str, Any] = {"kind": "embedded", "file": f"{folder}/{self.spec.topic}.log.sqlite", **topics}
        if self.spec.inbox is not None:
            events["inbox"] = self.project.table(self.spec.inbox, self.target)
        store = {"kind": "embedded", "file": f"{folder}/{self.spec.collection}.store.sqlite"}
        return {"events": typed_values(events), "store": typed_values(store)}

    def _preflight(self) -> TaskPlan:
        servers = self.servers or MetadataTarget(mongo_uri="")
        job: dict[str, Any] = {"api": servers.api, **_files(servers), "namespace": servers.namespace}
        if self.servers is not None:
            job |= {"min_partitions": servers.min_partitions, "min_retention_hours": servers.min_retention_hours}
        return self._job(PREFLIGHT, "metadata_preflight", job, "Look whether all is there that a run needs")

    def _round_trip(self, task_id: str, phase: str, doc: str) -> TaskPlan:
        servers = self.servers
        job: dict[str, Any] = {"phase": phase}
        if servers is not None and servers.api is not None:
            job |= {"api": servers.api, **_files(servers)}
            job["token"] = None if servers.api_token is None else secret(servers.api_token).model_dump()
        return self._job(task_id, "metadata_round_trip", job, doc)

    def _health(self) -> TaskPlan:
        check, doc = _check(self.spec.health), "Check how the consumer group does"
        if self.servers is None or self.servers.kafka_conn_id is None:
            return self._job(HEALTH, "metadata_health", {"check": check}, doc)
        arguments = {
            "group": self.spec.group,
            "topics": [self.spec.topic],
            "kafka_config_id": self.servers.kafka_conn_id,
            "check": check,
        }
        return TaskPlan(
            id=HEALTH,
            operator=_KAFKA_HEALTH,
            arguments=arguments,
            task_args=task_arguments(self.spec, self.arguments, HEALTH),
            doc=doc,
        )

    def _drain(self) -> TaskPlan:
        job: dict[str, Any] = {"slice": self.spec.quality.drained is not None}
        if self.spec.on_data_loss != "fail":
            job["on_data_loss"] = self.spec.on_data_loss
        return self._job(DRAIN, "metadata_drain", job, "Store and archive all events that are there now")

    def _gate(self) -> TaskPlan:
        gate = self.spec.quality.drained
        assert gate is not None  # noqa: S101  # who calls has looked
        source = {
            "path": TaskOutput(task=DRAIN, key="table").model_dump(),
            "format": "jsonl",
            "flatten": table.paths(gate.columns),
            "types": table.types(gate.columns),
        }
        job = {
            "source": source,
            "slice": {"kind": "full"},
            "suite": ProjectFile(path=gate.suite).model_dump() if gate.suite else None,
            "rules": gate.rules,
            "on_failure": gate.on_failure,
            "examples": gate.examples,
        }
        return self._task(GATE, "dq_gate", {**self.common, "engine": "duckdb", **job}, "Check what was drained")

    def _reconcile(self) -> TaskPlan:
        job = self.spec.reconcile.model_dump(mode="json", exclude_defaults=True)
        return self._job(RECONCILE, "metadata_reconcile", job, "Compare topic, store and archive")

    def _report(self, steps: list[TaskPlan]) -> TaskPlan:
        ids = [step.id for step in steps if step.job is not None]
        page = self.spec.report
        job = {**self.common, "title": page.title or self.spec.name, "steps": ids, "history": page.history}
        made = self._task(REPORT, "report", job, "Gather the results and write the page")
        return made.model_copy(update={"upstream": [steps[-1].id], "role": "teardown", "tells_verdict": True})

    def _job(self, task_id: str, stem: str, job: dict[str, Any], doc: str) -> TaskPlan:
        return self._task(task_id, stem, {**self.common, **self.shared, **job}, doc)

    def _task(self, task_id: str, stem: str, job: dict[str, Any], doc: str) -> TaskPlan:
        return TaskPlan(
            id=task_id,
            operator=_OPERATORS[stem],
            job=JobPlan(stem=stem, spec=said(job)),
            arguments=self.link,
            task_args=task_arguments(self.spec, self.arguments, task_id),
            doc=doc,
        )


def _files(servers: MetadataTarget) -> dict[str, str]:
    found = {"api_ca": servers.api_ca, "api_cert": servers.api_cert}
    return {name: file for name, file in found.items() if file is not None}


def _check(health: GroupHealth) -> dict[str, Any]:
    """Return what the health check is told: what the author wrote, and that these runs alone may read for the group."""
    limits = health.model_dump(mode="json", exclude_defaults=True, include={"lag", "total_lag"})
    delay = {name: None if age is None else f"{age}s" for name, age in health.delay.model_dump().items()}
    rest = health.model_dump(mode="json", include={"require_members", "require_commits", "on_unknown"})
    return {**limits, "delay": delay, **rest}


PLAN = plan

__all__ = ["PLAN", "plan"]
