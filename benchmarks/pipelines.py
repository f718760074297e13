# SPDX-License-Identifier: Apache-2.0
"""One pipeline in the two ways that a person would write it: a YAML file, and an Airflow file with the same operators and arguments."""

from __future__ import annotations

import json
import py_compile
from pathlib import Path

PROJECT = """\
version: 1
default_target: local
targets:
  local: {engine: duckdb, runner: local, lake: ./lake}
defaults: {retries: 3, retry_delay: 5m}
masks: {aircraft_id: sha256}
alerts:
  pager: {notifier: log}
  chat: {notifier: log}
"""

YAML = """\
version: 1
kind: bronze_to_silver
name: NAME
schedule: "@daily"
start_date: 2013-01-01
owner: data-team
source: {path: "${lake}/bronze/NAME", format: parquet}
target: {path: "${lake}/silver/NAME", format: parquet, partition_by: [month]}
full: true
columns:
  tailnum: {tags: [aircraft_id]}
clean:
  drop_nulls: [dep_time, arr_time]
  keep_if: ["distance > 0"]
  dedup: {keys: [year, month, day, carrier, flight, origin], keep: last, order_by: [time_hour]}
quality:
  bronze: {suite: suites/flights_bronze.json, on_failure: quarantine, max_quarantine_ratio: 0.05}
  silver: {rules: [{not_null: tailnum}, {between: [distance, 1, 6000]}], on_failure: fail}
alerts: {critical: pager, warning: chat}
"""

SUITE = {
    "name": "flights_bronze",
    "expectations": [
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "carrier"}, "meta": {}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "distance", "min_value": 1}, "meta": {}},
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "origin", "value_set": ["EWR", "JFK", "LGA"]},
        },
    ],
}

PYTHON = """\
from __future__ import annotations

from datetime import datetime, timedelta

import pendulum
from airflow.sdk import DAG, Asset, CronDataIntervalTimetable

from airflow_dataops.notifications.log import LogNotifier
from airflow_dataops.operators.dq_gate import DataQualityGateOperator
from airflow_dataops.operators.refine import PublishTableOperator, RefineTableOperator, RunReportOperator

UTC = pendulum.timezone("UTC")
LAKE = "FOLDER/lake"
SOURCE = {"path": f"{LAKE}/bronze/NAME"}
TARGET = {"path": f"{LAKE}/silver/NAME", "partition_by": ["month"]}
FULL = {"kind": "full"}
MASKS = {"tailnum": {"kind": "sha256", "salt": None}}
SILVER = Asset(uri=f"file://{LAKE}/silver/NAME")


def tell_verdict(context):
    if context["ti"].xcom_pull(task_ids="report")["verdict"] in ("warned", "quarantined"):
        LogNotifier(severity="warning")(context)


def tell_failure(context):
    LogNotifier(severity="critical")(context)


EVERY = {
    "owner": "data-team",
    "retries": 3,
    "retry_delay": timedelta(minutes=5),
    "retry_exponential_backoff": True,
    "on_failure_callback": [tell_failure],
    "lake": LAKE,
    "engine": "duckdb",
    "timezone": "UTC",
}

dag = DAG(
    dag_id="NAME",
    doc_md=DOCUMENTATION,
    start_date=datetime(2013, 1, 1, tzinfo=UTC),
    schedule=CronDataIntervalTimetable("@daily", timezone=UTC),
    catchup=False,
    max_active_runs=1,
    tags=[],
)
gate_bronze = DataQualityGateOperator(
    task_id="gate_bronze",
    dag=dag,
    doc_md="Check the run's rows of the source",
    source=SOURCE,
    slice=FULL,
    suite="FOLDER/suites/flights_bronze.json",
    on_failure="quarantine",
    max_quarantine_ratio=0.05,
    masks=MASKS,
    examples=5,
    **EVERY,
)
refine = RefineTableOperator(
    task_id="refine",
    dag=dag,
    doc_md="Clean, deduplicate and mask the rows into staged files",
    source=SOURCE,
    slice=FULL,
    exclude=["gate_bronze"],
    clean={
        "drop_nulls": ["dep_time", "arr_time"],
        "keep_if": ["distance > 0"],
        "dedup": {"keys": ["year", "month", "day", "carrier", "flight", "origin"], "order_by": ["time_hour"]},
    },
    masks=MASKS,
    target=TARGET,
    max_quarantine_ratio=0.05,
    publish=False,
    **EVERY,
)
gate_silver = DataQualityGateOperator(
    task_id="gate_silver",
    dag=dag,
    doc_md="Check the staged rows before anybody sees them",
    slice=FULL,
    rules=[{"not_null": "tailnum"}, {"between": ["distance", 1, 6000]}],
    on_failure="fail",
    examples=5,
    **EVERY,
)
publish = PublishTableOperator(
    task_id="publish",
    dag=dag,
    doc_md="Commit bad rows, then the table",
    target=TARGET,
    slice=FULL,
    gates=["gate_bronze", "gate_silver"],
    outlets=[SILVER],
    **EVERY,
)
report = RunReportOperator(
    task_id="report",
    dag=dag,
    doc_md="Gather the results and write the page",
    title="NAME",
    steps=["gate_bronze", "refine", "gate_silver", "publish"],
    history=30,
    on_success_callback=[tell_verdict],
    **EVERY,
)
gate_bronze >> refine >> gate_silver >> publish >> report.as_teardown(on_failure_fail_dagrun=False)
"""


def write(folder: Path, count: int, *, per_folder: int = 1000) -> list[Path]:
    """Write a project of ``count`` pipelines twice, as ``pipelines/**.yaml`` and ``python/**.py``; returns the Python files.

    The Python files have their bytecode beside them, as they have in an Airflow that has read them before.
    """
    (folder / "suites").mkdir(parents=True)
    (folder / "suites" / "flights_bronze.json").write_text(json.dumps(SUITE), "utf-8")
    (folder / "dataops.yaml").write_text(PROJECT, "utf-8")
    made = []
    for number in range(count):
        name = f"flights_{number:05}"
        below = f"part_{number // per_folder}"
        text = YAML.replace("NAME", name)
        source = folder / "pipelines" / below / f"{name}.yaml"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text, "utf-8")
        page = f"`pipelines/{below}/{name}.yaml`, target `local`\n\n```yaml\n{text.rstrip()}\n```"
        code = PYTHON.replace("DOCUMENTATION", repr(page)).replace("FOLDER", str(folder)).replace("NAME", name)
        python = folder / "python" / below / f"{name}.py"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(code, "utf-8")
        py_compile.compile(str(python))
        made.append(python)
    return made
