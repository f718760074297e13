# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ryaml

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.kafka_health.check import parse
from airflow_dataops.core.metadata.jobs import DrainSpec, HealthSpec, PreflightSpec, ReconcileSpec, RoundTripSpec
from airflow_dataops.core.refine.spec import ReportSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.secrets import references
from dag_factories.plans import plan_of
from dag_factories.plans.model import Plan
from dag_factories.project import Project, ProjectSpec
from dag_factories.resolve import ValueResolver, resolve
from dag_factories.specs.gpu_metadata import GpuMetadataSpec

RUN = RunContext(pipeline="edge", key="k")
MINIMAL = "version: 1\nkind: gpu_metadata\nname: edge\n"
SERVERS = {
    "kafka_conn_id": "kafka_edge",
    "mongo_uri": "${conn:mongo.extra.uri}",
    "database": "db",
    "api": "https://api",
    "api_token": "${env:TOKEN}",
    "namespace": "edge",
    "min_partitions": 6,
}
SPECS = {
    "metadata_preflight": PreflightSpec,
    "metadata_health": HealthSpec,
    "metadata_drain": DrainSpec,
    "metadata_reconcile": ReconcileSpec,
    "metadata_round_trip": RoundTripSpec,
    "dq_gate": GateSpec,
    "report": ReportSpec,
}


def plan(more: str = "", servers: dict[str, Any] | None = None, **target: Any) -> Plan:
    config = {"runner": "local", "lake": "/lake", **target, **({"metadata": servers} if servers else {})}
    home = Project(Path("/project"), ProjectSpec.model_validate({"version": 1, "targets": {"local": config}}))
    spec = GpuMetadataSpec.model_validate(ryaml.loads(MINIMAL + more))
    return plan_of(spec, home, home.target("local", environ={}), "edge.yaml")


def ids(made: Plan) -> list[str]:
    return [task.id for task in made.tasks]


GATE = "quality: {drained: {columns: {team: extracted.attributes.team}, rules: [{not_null: team}]}}\n"


@pytest.mark.parametrize("servers", [None, SERVERS], ids=["embedded", "servers"])
def test_the_steps_follow_one_another_and_the_report_is_a_teardown(servers: dict[str, Any] | None) -> None:
    made = plan(GATE, servers)
    chain = ["preflight", "post_check_event", "health", "drain", "round_trip", "gate", "reconcile", "report"]
    assert ids(made) == chain
    assert [task.upstream for task in made.tasks] == [[], *([one] for one in chain[:-1])]
    assert made.task("report").role == "teardown"
    assert made.task("report").tells_verdict
    assert made.dag["max_active_runs"] == 1


def test_what_is_not_asked_for_is_no_step() -> None:
    assert ids(plan("round_trip: false\n")) == ["preflight", "health", "drain", "reconcile", "report"]


@pytest.mark.parametrize("servers", [None, SERVERS], ids=["embedded", "servers"])
def test_every_job_spec_is_valid_once_it_is_resolved(servers: dict[str, Any] | None) -> None:
    made = plan(GATE + "archive: '${lake}/a'\ninbox: '${lake}/in'\n", servers)
    resolver = ValueResolver(Path("/project"), RUN, lambda name: f"<{name}>", {"drain": {"table": "/lake/slice"}})
    for task in made.tasks:
        if task.job is not None:
            given = {**resolve(task.job.spec, resolver), "run": RUN, "task": task.id}
            SPECS[task.job.stem].model_validate(given)


def test_secrets_are_names_in_every_step_that_needs_one() -> None:
    made = plan("", SERVERS)
    resolver = ValueResolver(Path("/project"), RUN, lambda name: f"<{name}>", {})
    found = {task.id: references(resolve(task.job.spec, resolver)) for task in made.tasks if task.job}
    both = ["conn:kafka_edge.extra", "conn:mongo.extra.uri"]
    assert found["drain"] == found["preflight"] == found["reconcile"] == both
    assert found["post_check_event"] == found["round_trip"] == [*both, "env:TOKEN"]
    assert found["report"] == []


def test_a_group_on_kafka_is_looked_at_by_its_own_operator() -> None:
    made = plan("health: {lag: {critical: 5}, delay: {warning: 10m}}\n", SERVERS)
    health = made.task("health")
    assert (health.operator, health.job) == ("kafka_health.KafkaConsumerHealthOperator", None)
    parsed = parse({"group": health.arguments["group"], **health.arguments["check"]})
    assert (parsed.lag.critical, parsed.require_members, parsed.require_commits) == (5, False, False)
    assert parsed.delay.warning is not None
    assert parsed.delay.warning.total_seconds() == 600
    assert health.arguments["kafka_config_id"] == "kafka_edge"
    # The report asks for no result of a task that leaves none in the lake.
    report = made.task("report").job
    assert report is not None
    assert "health" not in report.spec["steps"]


def test_without_servers_the_files_lie_in_the_lake() -> None:
    drain = plan("topic: t\n").task("drain").job
    assert drain is not None
    assert drain.spec["events"]["file"] == "/lake/.dataops/metadata/t.log.sqlite"
    assert drain.spec["events"]["dead_topic"] == "t.dead"
    assert drain.spec["store"] == {"kind": "embedded", "file": "/lake/.dataops/metadata/gpu_metadata.store.sqlite"}


def test_a_target_for_production_never_runs_on_files() -> None:
    with pytest.raises(SpecError, match=r"(?s)EMBEDDED_IN_PRODUCTION.*'local'.*mongo_uri"):
        plan(production=True)
    assert plan("", SERVERS, production=True).tasks


@pytest.mark.parametrize("target", [{"lake": "s3://bucket"}, {"runner": "spark_k8s", "engine": "spark"}])
def test_a_target_without_servers_and_without_a_folder_is_refused(target: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="METADATA_TARGET_MISSING"):
        plan(**target)


def test_servers_serve_a_target_of_any_engine() -> None:
    assert plan("", SERVERS, runner="spark_k8s", engine="spark", lake="s3://bucket").tasks
