# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dag_factories.graph import mermaid
from dag_factories.plans.model import Plan, TaskPlan


def plan(**more: object) -> Plan:
    tasks = [
        TaskPlan(id="refine", operator="refine.X", group="work"),
        TaskPlan(id="publish", operator="refine.X", upstream=["refine"], outlets=["s3://lake/orders"]),
        TaskPlan(id="report", operator="refine.X", upstream=["publish"], role="teardown"),
    ]
    base = {"kind": "k", "name": "orders", "source_file": "orders.yaml", "target": "local", "dag": {}, "tasks": tasks}
    return Plan.model_validate({**base, **more})


def test_tasks_and_arrows() -> None:
    assert mermaid(plan()).splitlines() == [
        "flowchart LR",
        '  refine["refine"]',
        '  publish["publish"]',
        '  report(["report"])',
        "  refine --> publish",
        "  publish -.-> report",
    ]


def test_a_table_is_a_cylinder_that_its_publish_points_to() -> None:
    lines = mermaid(plan(assets=["s3://lake/orders"])).splitlines()
    assert lines[-2:] == ['  asset0[("s3://lake/orders")]', "  publish ==> asset0"]


def test_a_group_is_a_box() -> None:
    lines = mermaid(plan(groups={"work": 'The "work"'})).splitlines()
    assert lines[1:4] == ['  subgraph work["The #quot;work#quot;"]', '    refine["refine"]', "  end"]
