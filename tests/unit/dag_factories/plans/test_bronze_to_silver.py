# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import ryaml

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.refine.spec import PublishSpec, RefineSpec, ReportSpec
from airflow_dataops.core.run import RunContext
from dag_factories.plans import plan_of
from dag_factories.plans.model import Plan
from dag_factories.project import Project, ProjectSpec
from dag_factories.resolve import ValueResolver, resolve
from dag_factories.specs import spec_of
from dag_factories.specs.bronze_to_silver import BronzeToSilverSpec

REPOSITORY = Path(__file__).parents[4]
EXAMPLES = REPOSITORY / "example_dags"
GOLDEN = REPOSITORY / "tests" / "golden" / "plans"
RUN = RunContext(
    pipeline="orders",
    key="k",
    interval_start="2024-01-01T00:00Z",
    interval_end="2024-01-02T00:00Z",  # type: ignore[arg-type]
)
MINIMAL = """
version: 1
kind: bronze_to_silver
name: orders
source: {path: "${lake}/bronze/orders"}
target: {path: "${lake}/silver/orders"}
full: true
"""


def plan(text: str = MINIMAL, project: dict[str, Any] | None = None, target: str | None = None) -> Plan:
    home = Project(Path("/project"), ProjectSpec.model_validate({"version": 1, **(project or {})}))
    spec = BronzeToSilverSpec.model_validate(ryaml.loads(text))
    return plan_of(spec, home, home.target(target, environ={}), "orders.yaml")


def job(made: Plan, task: str) -> dict[str, Any]:
    found = made.task(task).job
    assert found is not None
    return found.spec


def ids(made: Plan) -> list[str]:
    return [task.id for task in made.tasks]


def with_(line: str) -> str:
    return MINIMAL + line


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_plan_of_each_example_is_the_golden_one(file: Path) -> None:
    if file.stem == "dataops":
        pytest.skip("dataops.yaml is no pipeline")
    home = Project(Path("/project"), ProjectSpec.model_validate(ryaml.loads((EXAMPLES / "dataops.yaml").read_text())))
    data = ryaml.loads(file.read_text())
    spec = spec_of(data["kind"]).model_validate(data)
    made = plan_of(spec, home, home.target("local"), file.name).model_dump(mode="json", exclude_defaults=True)
    golden = GOLDEN / f"{file.stem}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(made, indent=2) + "\n")
    assert made == json.loads(golden.read_text())


def test_without_gates_a_pipeline_refines_publishes_and_reports() -> None:
    made = plan()
    assert ids(made) == ["refine", "publish", "report"]
    assert made.task("publish").upstream == ["refine"]


def test_gates_stand_before_and_after_refine() -> None:
    made = plan(with_("quality: {bronze: {rules: [{not_null: id}]}, silver: {rules: [{not_null: id}]}}"))
    assert [(task.id, task.upstream) for task in made.tasks] == [
        ("gate_bronze", []),
        ("refine", ["gate_bronze"]),
        ("gate_silver", ["refine"]),
        ("publish", ["gate_silver"]),
        ("report", ["publish"]),
    ]


def test_a_publish_asks_for_every_gate() -> None:
    made = plan(with_("quality: {bronze: {rules: [{not_null: id}]}, silver: {rules: [{not_null: id}]}}"))
    assert job(made, "publish")["gates"] == ["gate_bronze", "gate_silver"]


@pytest.mark.parametrize(("policy", "excluded"), [("quarantine", ["gate_bronze"]), ("fail", None), ("warn", None)])
def test_refine_leaves_out_the_rows_that_a_gate_puts_aside(policy: str, excluded: list[str] | None) -> None:
    made = plan(with_(f"quality: {{bronze: {{rules: [{{not_null: id}}], on_failure: {policy}}}}}"))
    assert job(made, "refine").get("exclude") == excluded


def test_the_report_is_a_teardown_that_tells_the_verdict() -> None:
    report = plan().task("report")
    assert (report.role, report.tells_verdict) == ("teardown", True)


def test_only_the_publish_updates_the_asset() -> None:
    made = plan()
    assert {task.id: task.outlets for task in made.tasks if task.outlets} == {
        "publish": ["file:///project/lake/silver/orders"]
    }


@pytest.mark.parametrize(
    ("lake", "uri"),
    [
        ("./lake", "file:///project/lake/silver/orders"),
        ("/data/my lake", "file:///data/my%20lake/silver/orders"),
        ("s3://bucket/lake/", "s3://bucket/lake/silver/orders"),
        ("s3a://bucket", "s3://bucket/silver/orders"),
        ("gs://bucket", "gs://bucket/silver/orders"),
        ("${env:LAKE}", "x-dataops://local/silver/orders"),
        ("s3://${env:BUCKET}/lake", "x-dataops://local/silver/orders"),
    ],
)
def test_a_table_is_an_asset_under_the_uri_that_others_use(lake: str, uri: str) -> None:
    assert plan(project={"targets": {"local": {"lake": lake}}}).assets == [uri]


def test_an_asset_schedule_names_tables_as_their_publishers_do() -> None:
    made = plan(with_("schedule: {assets: ['${lake}/silver/customers']}"))
    assert made.dag["schedule"] == {"assets": ["file:///project/lake/silver/customers"]}


def test_a_lake_from_the_environment_stays_a_reference() -> None:
    made = plan(project={"targets": {"local": {"lake": "${env:LAKE}"}}})
    assert job(made, "refine")["lake"] == {"ref": "env", "template": "${env:LAKE}"}
    assert job(made, "refine")["source"]["path"] == {"ref": "env", "template": "${env:LAKE}/bronze/orders"}


def test_run_references_in_hive_folders_own_partitions() -> None:
    made = plan(
        MINIMAL.replace("full: true", "")
        .replace("bronze/orders", "bronze/orders/day=${run.date}")
        .replace('silver/orders"', 'silver/orders", partition_by: [day]')
    )
    assert job(made, "refine")["slice"] == {
        "kind": "partitions",
        "values": {"day": {"ref": "run", "template": "${run.date}"}},
    }


@pytest.mark.parametrize(
    ("path", "partition_by"),
    [
        ("bronze/orders/${run.date}", "[day]"),
        ("bronze/orders/day=${run.date}/hour=${run.hour}", "[day]"),
        ("bronze/orders/day=${run.date}", "[]"),
    ],
)
def test_other_run_references_own_what_was_made_of_the_same_path(path: str, partition_by: str) -> None:
    made = plan(
        MINIMAL.replace("full: true", "")
        .replace("bronze/orders", path)
        .replace('silver/orders"', f'silver/orders", partition_by: {partition_by}')
    )
    assert job(made, "refine")["slice"] == {"kind": "run", "source": {"ref": "run", "template": path}}
    assert job(made, "publish")["slice"] == job(made, "refine")["slice"]


def test_a_window_is_declared_and_not_computed() -> None:
    made = plan(MINIMAL.replace("full: true", "window: {column: at, size: day, lookback: 3d}"))
    assert job(made, "refine")["slice"] == {"kind": "window", "column": "at", "size": "day", "lookback": "3d"}


def test_a_window_column_that_is_renamed_has_its_new_name_in_the_table() -> None:
    made = plan(MINIMAL.replace("full: true", "window: {column: at}\nclean: {rename: {at: happened_at}}"))
    assert (job(made, "refine")["slice"]["column"], job(made, "publish")["slice"]["column"]) == ("at", "happened_at")


MASKS = {"masks": {"email": "sha256", "phone": {"kind": "digits"}}}


def test_a_tag_is_masked_as_the_project_says() -> None:
    made = plan(with_("columns: {contact: {tags: [vip, email, phone]}}"), MASKS)
    assert job(made, "refine")["masks"] == {"contact": {"kind": "sha256", "salt": None}}


def test_a_columns_own_mask_wins_over_its_tags() -> None:
    made = plan(with_("columns: {contact: {tags: [email], mask: drop}}"), MASKS)
    assert job(made, "refine")["masks"]["contact"]["kind"] == "drop"


def test_a_salt_is_a_secret_by_name() -> None:
    made = plan(with_("columns: {contact: {mask: {kind: sha256, salt: '${env:SALT}'}}}"))
    assert job(made, "refine")["masks"]["contact"]["salt"] == {"ref": "secret", "secret": "env:SALT"}


@pytest.mark.parametrize("named", ["mail", "email"])
def test_a_renamed_column_is_masked_under_its_name_at_each_step(named: str) -> None:
    made = plan(
        with_(
            f"columns: {{{named}: {{mask: sha256}}}}\nclean: {{rename: {{mail: email}}}}\nquality: {{bronze: {{rules: [{{not_null: mail}}]}}}}"
        )
    )
    assert list(job(made, "gate_bronze")["masks"]) == ["mail"]
    assert list(job(made, "refine")["masks"]) == ["email"]


def test_arguments_of_the_project_the_file_and_the_task_are_merged() -> None:
    made = plan(
        with_("defaults: {retries: 5}\ntasks: {publish: {retries: 7, pool: disk}}"),
        {"defaults": {"retries": 1, "queue": "big"}},
    )
    assert {key: made.task("publish").task_args[key] for key in ("retries", "queue", "pool")} == {
        "retries": 7,
        "queue": "big",
        "pool": "disk",
    }
    assert made.task("refine").task_args["retries"] == 5


def test_runs_that_replace_the_whole_table_follow_one_another() -> None:
    assert plan().dag["max_active_runs"] == 1


def test_the_author_can_let_them_overlap() -> None:
    assert plan(with_("max_active_runs: 4")).dag["max_active_runs"] == 4


def test_alerts_name_routes_whose_secrets_are_references() -> None:
    made = plan(
        with_("alerts: {critical: [pager], warning: chat}"),
        {"alerts": {"pager": {"notifier": "webhook", "url": "${env:HOOK}"}, "chat": {"notifier": "log"}}},
    )
    assert [(alert.severity, alert.route) for alert in made.alerts] == [("critical", "pager"), ("warning", "chat")]
    assert made.routes["pager"].arguments == {"url": {"ref": "env", "template": "${env:HOOK}"}}


def test_an_engine_that_is_not_built_is_refused() -> None:
    with pytest.raises(SpecError, match=r"(?s)ENGINE_NOT_AVAILABLE.*engine: dask.*--target"):
        plan(project={"targets": {"onprem": {"engine": "dask", "runner": "spark_k8s"}}}, target="onprem")


def test_every_job_spec_is_valid_once_it_is_resolved() -> None:
    made = plan(
        with_(
            "quality: {bronze: {rules: [{not_null: id}], on_failure: quarantine, max_quarantine_ratio: 0.1}}\n"
            "columns: {email: {mask: {kind: sha256, salt: '${env:SALT}'}}}\nresources: {memory: 1GB, spill_dir: '${env:TMP}'}"
        )
    )
    specs = {"dq_gate": GateSpec, "refine": RefineSpec, "publish": PublishSpec, "report": ReportSpec}
    resolver = ValueResolver(Path("/project"), RUN, lambda name: f"<{name}>", {})
    for task in made.tasks:
        assert task.job is not None
        specs[task.job.stem].model_validate({**resolve(task.job.spec, resolver), "run": RUN, "task": task.id})


def test_a_plan_survives_json() -> None:
    made = plan(with_("alerts: {}"))
    assert Plan.model_validate_json(made.model_dump_json()) == made
