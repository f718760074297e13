# SPDX-License-Identifier: Apache-2.0
"""Operators as Airflow sees them before and around a run."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.refine.spec import PublishSpec, RefineSpec, ReportSpec
from tests.house.tree import run_python

pytestmark = pytest.mark.airflow

MINIMUM: dict[str, dict[str, Any]] = {
    "DataQualityGateOperator": {"lake": "/lake", "slice": {"kind": "full"}},
    "RefineTableOperator": {
        "lake": "/lake",
        "slice": {"kind": "full"},
        "source": {"path": "/b"},
        "target": {"path": "/s"},
    },
    "PublishTableOperator": {"lake": "/lake", "slice": {"kind": "full"}, "target": {"path": "/s"}},
    "RunReportOperator": {"lake": "/lake", "title": "T", "steps": ["a"]},
}
SPECS = {
    "DataQualityGateOperator": GateSpec,
    "RefineTableOperator": RefineSpec,
    "PublishTableOperator": PublishSpec,
    "RunReportOperator": ReportSpec,
}
# Fields of a spec that an operator gives itself, or takes under another name.
NOT_ARGUMENTS = {"schema_version", "job", "task", "run", "resources"}


def operators() -> list[type[Any]]:
    from airflow_dataops.operators import dq_gate, refine

    modules = (dq_gate, refine)
    return [getattr(module, name) for module in modules for name in module.__all__]


def parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(inspect.unwrap(cls.__init__)).parameters)


@pytest.mark.parametrize("name", MINIMUM)
def test_every_field_of_the_jobs_spec_is_an_argument(name: str) -> None:
    cls = next(cls for cls in operators() if cls.__name__ == name)
    taken = set(parameters(cls)) - {"self", "kwargs"}
    fields = set(SPECS[name].model_fields) - NOT_ARGUMENTS
    assert fields <= taken
    assert taken - fields <= {
        "job_resources",
        "pipeline",
        "timezone",
        "report_base_url",
        "aws_conn_id",
        "publish",
        "gates",
    }


@pytest.mark.parametrize("name", MINIMUM)
def test_constructors_take_keywords_and_only_assign(name: str) -> None:
    cls = next(cls for cls in operators() if cls.__name__ == name)
    kinds = {p.kind for key, p in parameters(cls).items() if key not in {"self", "kwargs"}}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    body = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(cls.__init__)))).body[0]
    assert isinstance(body, ast.FunctionDef)
    first, *rest = body.body
    assert "super().__init__" in ast.unparse(first)
    for line in rest:
        assert isinstance(line, ast.Assign)
        assert isinstance(line.value, ast.Name)
        assert ast.unparse(line.targets[0]) == f"self.{line.value.id}"


@pytest.mark.parametrize("name", MINIMUM)
def test_every_template_field_is_an_argument_and_no_operator_inherits_from_another(name: str) -> None:
    from airflow.providers.common.compat.sdk import BaseOperator

    cls = next(cls for cls in operators() if cls.__name__ == name)
    assert set(cls.template_fields) <= set(parameters(cls))
    assert set(cls.template_fields_renderers) <= set(cls.template_fields)
    assert cls.__bases__ == (BaseOperator,)


@pytest.mark.parametrize("name", MINIMUM)
def test_a_dag_with_it_is_serialized_and_read_back_with_its_link(name: str) -> None:
    from airflow.providers.common.compat.sdk import DAG

    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialized
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialized  # type: ignore[assignment]

    cls = next(cls for cls in operators() if cls.__name__ == name)
    with DAG("shape", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        cls(task_id="one", job_resources={"threads": 1}, **MINIMUM[name])
        cls.partial(task_id="many", **MINIMUM[name]).expand(pipeline=["a", "b"])
    document = json.loads(json.dumps(Serialized.to_dict(dag)))
    again = Serialized.from_dict(document).get_task("one")
    assert (again.task_id, again.ui_color) == ("one", cls.ui_color)
    assert "Result page" in {link.name for link in again.operator_extra_links}


def test_on_kill_before_the_work_has_begun_is_fine() -> None:
    for cls in operators():
        cls(task_id="t", **MINIMUM[cls.__name__]).on_kill()


@pytest.mark.usefixtures("stand_in_jobs")
def test_on_kill_ends_the_work_at_once_and_a_retry_may_follow(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    from airflow.providers.common.compat.sdk import DAG

    from airflow_dataops.operators.dq_gate import DataQualityGateOperator

    (tmp_path / "mode").write_text("sleep")
    errors: list[BaseException] = []
    running: list[Any] = []
    with DAG("ops_kill", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        DataQualityGateOperator(
            task_id="gate",
            lake=str(tmp_path),
            slice={"kind": "full"},
            pre_execute=lambda context: running.append(context["task"]),
            on_failure_callback=lambda context: errors.append(context["exception"]),
        )

    def kill() -> None:
        while not (tmp_path / "started").exists():
            time.sleep(0.05)
        running[0].on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    run = run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC))
    killer.join()
    assert run.state == "failed"
    assert "JOB_STOPPED" in str(errors[0])
    assert type(errors[0]).__name__ == "TransientError"


def test_importing_the_operators_loads_nothing_heavy() -> None:
    heavy = {
        "duckdb",
        "pyarrow",
        "deltalake",
        "sqlglot",
        "openlineage",
        "pandas",
        "fsspec",
        "airflow_dataops.jobs",
        "airflow_dataops.clients",
    }
    code = f"""
import sys
import airflow.providers.common.compat.sdk as sdk
sdk.BaseOperator, sdk.Stats, sdk.XCom, sdk.conf, sdk.AirflowFailException, sdk.BaseOperatorLink
before = set(sys.modules)
import airflow_dataops.operators.dq_gate, airflow_dataops.operators.refine
print("loaded:", sorted((set(sys.modules) - before) & {heavy!r}))
"""
    assert run_python(code).splitlines()[-1] == "loaded: []"


def test_without_airflow_the_import_says_what_to_install() -> None:
    code = """
import sys
sys.modules["airflow"] = None
try:
    import airflow_dataops.operators.dq_gate
except ModuleNotFoundError as error:
    print(error)
"""
    assert "pip install 'airflow-dataops[airflow]'" in run_python(code)
