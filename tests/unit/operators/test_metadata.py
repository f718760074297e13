# SPDX-License-Identifier: Apache-2.0
"""The steps of a metadata pipeline as Airflow's tasks: their shape, and real runs of them on files of this machine."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.metadata.jobs import DrainSpec, HealthSpec, PreflightSpec, ReconcileSpec, RoundTripSpec

pytestmark = pytest.mark.airflow

SPECS = {
    "MetadataPreflightOperator": PreflightSpec,
    "MetadataHealthOperator": HealthSpec,
    "MetadataDrainOperator": DrainSpec,
    "MetadataReconcileOperator": ReconcileSpec,
    "MetadataRoundTripOperator": RoundTripSpec,
}
NOT_ARGUMENTS = {"schema_version", "job", "task", "run", "resources", "engine"}
LINE = {
    "schema_version": "v1",
    "source": {"notebook": "n", "accelerator": {"kind": "cpu"}, "model": {"name": "m"}},
    "object": {"uri": "s3://raw/1", "checksum": "sha256:" + "a" * 64, "size": 1, "media_type": "image/png"},
    "extracted": {},
    "extracted_at": "2024-01-01T00:00:00Z",
}


def operator(name: str, **arguments: Any) -> Any:
    from airflow_dataops.operators import metadata

    return getattr(metadata, name)(**arguments)


def parts(folder: Path) -> dict[str, Any]:
    return {
        "lake": str(folder),
        "events": {"kind": "embedded", "file": str(folder / "log.sqlite"), "inbox": str(folder / "inbox")},
        "store": {"kind": "embedded", "file": str(folder / "store.sqlite")},
    }


@pytest.mark.parametrize("name", SPECS)
def test_every_field_of_the_jobs_spec_is_an_argument_and_is_rendered_where_it_may_hold_a_reference(name: str) -> None:
    from airflow_dataops.operators import metadata

    cls = getattr(metadata, name)
    own = set(inspect.signature(inspect.unwrap(cls.__init__)).parameters)
    shared = set(inspect.signature(inspect.unwrap(metadata._MetadataOperator.__init__)).parameters)
    assert set(SPECS[name].model_fields) - NOT_ARGUMENTS <= own | shared
    assert {"lake", "events", "store", "archive", "transforms"} <= set(cls.template_fields)
    assert all(hasattr(operator(name, task_id="x", **parts(Path("/lake"))), field) for field in cls.template_fields)


def test_the_steps_run_as_tasks_one_after_the_other(tmp_path: Path, run_dag: Callable[..., Any]) -> None:
    from airflow.providers.common.compat.sdk import DAG

    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.jsonl").write_text(json.dumps(LINE), "utf-8")
    with DAG("edge", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        given = parts(tmp_path)
        steps = [
            operator("MetadataPreflightOperator", task_id="preflight", **given),
            operator("MetadataRoundTripOperator", task_id="post", phase="post", **given),
            operator("MetadataHealthOperator", task_id="health", **given),
            operator("MetadataDrainOperator", task_id="drain", **given),
            operator("MetadataReconcileOperator", task_id="reconcile", scope="all", **given),
            operator("MetadataRoundTripOperator", task_id="await", phase="await", **given),
        ]
        for before, after in pairwise(steps):
            before >> after
    done = run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC))
    assert done.state == "success"
    found = {task.task_id: task.xcom_pull(task_ids=task.task_id) for task in done.get_task_instances()}
    assert found["preflight"]["posted"] == 1
    assert sum(part["read"] for part in found["drain"]["partitions"]) == 2
    assert found["reconcile"]["differences"] == {}
    assert found["await"]["removed"] is True


def test_what_is_missing_fails_the_task_for_good_and_says_what_to_do(
    tmp_path: Path, run_dag: Callable[..., Any]
) -> None:
    from airflow.providers.common.compat.sdk import DAG

    with DAG("short", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        operator("MetadataPreflightOperator", task_id="preflight", min_partitions=9, retries=3, **parts(tmp_path))
    done = run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC))
    assert done.state == "failed"
    [task] = done.get_task_instances()
    assert task.state == "failed"  # and not up for retry


def test_it_can_be_ended_before_it_was_started() -> None:
    operator("MetadataDrainOperator", task_id="drain", **parts(Path("/lake"))).on_kill()


def test_a_dag_on_servers_takes_all_that_its_plan_says(tmp_path: Path) -> None:
    from tests.dag_files import dag_bag

    (tmp_path / "dataops.yaml").write_text(
        """\
version: 1
targets:
  local:
    lake: s3://lake
    aws_conn_id: lake
    production: true
    resources: {memory: 1GB}
    report_base_url: https://lake
    metadata:
      kafka_conn_id: kafka_edge
      mongo_uri: "${conn:mongo.extra.uri}"
      api: https://api
      api_token: "${env:TOKEN}"
      api_ca: /etc/ca.pem
      api_cert: /etc/client.pem
      namespace: edge
      min_partitions: 3
      min_retention_hours: 72
""",
        "utf-8",
    )
    (tmp_path / "edge.yaml").write_text(
        "version: 1\nkind: gpu_metadata\nname: edge\nschedule: null\non_data_loss: accept\n"
        "health: {lag: {critical: 5}}\nreconcile: {scope: all, on_difference: warn}\n"
        "quality: {drained: {rules: [{not_null: model}]}}\n",
        "utf-8",
    )
    (tmp_path / "edge.py").write_text(
        "from dag_factories import load_dag  # airflow dag\n\ndag = load_dag(__file__)\n", "utf-8"
    )
    bag = dag_bag(tmp_path / "edge.py")
    assert bag.import_errors == {}
    tasks = bag.dags["edge"].task_dict
    assert type(tasks["health"]).__name__ == "KafkaConsumerHealthOperator"
    assert (tasks["preflight"].api_ca, tasks["round_trip"].api_cert) == ("/etc/ca.pem", "/etc/client.pem")
    assert tasks["drain"].events["connection"] == {"secret": "conn:kafka_edge.extra"}
