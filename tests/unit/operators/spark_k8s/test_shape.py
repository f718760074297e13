# SPDX-License-Identifier: Apache-2.0
"""What the pages and the example give to the operator is what Kubernetes and Spark would take."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.run import faults_of
from tests.dag_files import dag_bag
from tests.house.blocks import blocks
from tests.house.tree import ROOT
from tests.services.kube.accounts import AIRFLOW_RULES, DRIVER_RULES

pytestmark = pytest.mark.airflow


def test_the_guide_shows_a_run_within_all_rules() -> None:
    [block] = [one for one in blocks(Path("docs/how-to/spark_k8s.md")) if one.language == "python"]
    [call] = [
        node
        for node in ast.walk(ast.parse(block.text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SparkKubernetesSubmitOperator"
    ]
    given = {word.arg: word.value for word in call.keywords}
    assert faults_of({name: ast.literal_eval(given[name]) for name in ("app", "target", "policy")}) == []


def test_the_guide_grants_what_the_tests_on_a_real_server_run_with() -> None:
    yaml = pytest.importorskip("yaml")
    [block] = [one for one in blocks(Path("docs/how-to/spark_k8s.md")) if one.language == "yaml"]
    found = {one["metadata"]["name"]: one["rules"] for one in yaml.safe_load_all(block.text) if one["kind"] == "Role"}
    assert found == {"airflow": AIRFLOW_RULES, "spark": DRIVER_RULES}


def test_the_example_is_a_run_within_all_rules(airflow_db: Path) -> None:
    [dag] = dag_bag(ROOT / "example_dags/spark_k8s_operators.py").dags.values()
    task: Any = dag.get_task("delays")
    assert faults_of({"app": task.app, "target": task.target, "policy": task.policy}) == []
