# SPDX-License-Identifier: Apache-2.0
"""The Dask operators as Airflow sees them before and around a run."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.links import dataproc_dask as links
from airflow_dataops.operators import dataproc_dask
from tests.unit.operators.dataproc_dask.memory import World, arguments

pytestmark = pytest.mark.airflow

CLUSTER, JOB = arguments()["cluster"], arguments()["job"]
MINIMUM: dict[str, dict[str, Any]] = {
    "DataprocDaskJobOperator": {"cluster": CLUSTER, "job": JOB},
    "DataprocDaskCreateClusterOperator": {"cluster": CLUSTER},
    "DataprocDaskSubmitJobOperator": {"cluster_task_id": "create", "job": JOB},
    "DataprocDaskStepOperator": {"cluster_task_id": "create", "job": JOB},
    "DataprocDaskDeleteClusterOperator": {"cluster_task_id": "create"},
    "DataprocDaskJanitorOperator": {"project": "my-project-123", "region": "europe-west1"},
    "DataprocDaskPreflightOperator": {"cluster": CLUSTER},
}
DEFERRABLE = [name for name in MINIMUM if "Janitor" not in name and "Preflight" not in name]
OTHER_NAMES = {"dry_run": "only_tell"}  # BaseOperator has a method of this name


def cls_of(name: str) -> type[Any]:
    found: type[Any] = getattr(dataproc_dask, name)
    return found


def parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(inspect.unwrap(cls.__init__)).parameters)


def test_every_operator_is_looked_at() -> None:
    assert set(MINIMUM) == {name for name in dataproc_dask.__all__ if name.endswith("Operator")}


@pytest.mark.parametrize("name", MINIMUM)
def test_constructors_take_keywords_and_only_assign(name: str) -> None:
    cls = cls_of(name)
    kinds = {p.kind for key, p in parameters(cls).items() if key not in {"self", "kwargs"}}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    body = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(cls.__init__)))).body[0]
    assert isinstance(body, ast.FunctionDef)
    first, *rest = body.body
    assert "super().__init__" in ast.unparse(first)
    for line in rest:
        assert isinstance(line, ast.Assign)
        assert isinstance(line.value, ast.Name)
        assert ast.unparse(line.targets[0]) == f"self.{OTHER_NAMES.get(line.value.id, line.value.id)}"


@pytest.mark.parametrize("name", MINIMUM)
def test_every_template_field_is_an_argument_and_no_operator_inherits_from_another(name: str) -> None:
    from airflow.providers.common.compat.sdk import BaseOperator

    cls = cls_of(name)
    assert set(cls.template_fields) <= set(parameters(cls))
    assert set(cls.template_fields_renderers) <= set(cls.template_fields)
    assert cls.__bases__ == (BaseOperator,)


@pytest.mark.parametrize("name", MINIMUM)
def test_a_dag_with_it_is_serialized_and_read_back_with_its_links(name: str) -> None:
    from airflow.providers.common.compat.sdk import DAG

    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialized
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialized  # type: ignore[assignment]

    cls = cls_of(name)
    with DAG("shape", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        cls(task_id="one", **MINIMUM[name])
        cls.partial(task_id="many", **MINIMUM[name]).expand(gcp_conn_id=["a", "b"])
    document = json.loads(json.dumps(Serialized.to_dict(dag)))
    again = Serialized.from_dict(document).get_task("one")
    wanted = {link.name for link in getattr(cls, "operator_extra_links", ())}
    assert wanted <= {link.name for link in again.operator_extra_links}


def test_the_links_are_read_from_where_a_running_task_leaves_them() -> None:
    keys = {
        cls().xcom_key
        for cls in (links.DaskClusterLink, links.DaskJobLink, links.DaskDashboardLink, links.DaskLogsLink)
    }
    assert keys == {links.CLUSTER_KEY, links.JOB_KEY, links.DASHBOARD_KEY, links.LOGS_KEY}


@pytest.mark.parametrize("name", DEFERRABLE)
def test_deferring_by_default_is_airflows_setting(name: str) -> None:
    assert parameters(cls_of(name))["deferrable"].default is False


@pytest.mark.parametrize("name", MINIMUM)
def test_on_kill_before_the_work_has_begun_is_fine(name: str, world: World) -> None:
    cls_of(name)(task_id="t", **MINIMUM[name]).on_kill()
    assert world.google.calls == []


def test_models_are_taken_as_well_as_dicts(world: World) -> None:
    from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, DaskJob, Policy
    from tests.unit.operators.shell import Shell

    given = arguments() | {"cluster": ClusterSpec.model_validate(CLUSTER), "job": DaskJob(**JOB), "policy": Policy()}
    world.result("done")
    operator = dataproc_dask.DataprocDaskJobOperator(task_id="t", **given)
    assert Shell(operator).run()["result"] == "done"
