# SPDX-License-Identifier: Apache-2.0
"""Operators in real runs: what becomes of results and errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("stand_in_jobs")]

WHEN = datetime(2024, 1, 2, tzinfo=UTC)
FULL = {"kind": "full"}
SECRET = "s3cr3t-value"


def dag_of(name: str, **arguments: Any) -> Any:
    from airflow.providers.common.compat.sdk import DAG

    try:
        from airflow.sdk import CronDataIntervalTimetable
    except ImportError:
        from airflow.timetables.interval import CronDataIntervalTimetable

    return DAG(
        name,
        schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        catchup=False,
        **arguments,
    )


def pulled(dag_run: Any, task_id: str, key: str = "return_value") -> Any:
    return dag_run.get_task_instance(task_id).xcom_pull(task_ids=task_id, key=key)


def gate(lake: Path, **fields: Any) -> Any:
    from airflow_dataops.operators.dq_gate import DataQualityGateOperator

    return DataQualityGateOperator(
        task_id="gate",
        **{"lake": str(lake), "source": {"path": f"{lake}/bronze/${{run.date}}"}, "slice": FULL, **fields},
    )


def spec_of(lake: Path, pipeline: str, task: str = "gate") -> dict[str, Any]:
    found = list(lake.glob(f".dataops/runs/{pipeline}/*/steps/{task}.spec.json"))
    assert len(found) == 1
    loaded: dict[str, Any] = json.loads(found[0].read_text())
    return loaded


def test_a_gate_that_passes_returns_little_and_links_its_page(
    run_dag: Callable[..., Any], tmp_path: Path, metrics: list[tuple[str, str, dict[str, str]]]
) -> None:
    with dag_of("ops_gate") as dag:
        gate(tmp_path, rules=[{"not_null": "tailnum"}])
    run = run_dag(dag, WHEN)
    assert run.state == "success"
    value = pulled(run, "gate")
    assert (value["verdict"], value["rows"]["read"], value["run_key"]) == ("passed", 100, "2024-01-01T000000")
    assert len(json.dumps(value)) < 2000
    assert pulled(run, "gate", "dataops_result_page").endswith("/ops_gate/2024-01-01T000000")
    assert ("incr", "dataops.dq.verdict", {"pipeline": "ops_gate", "task": "gate", "verdict": "passed"}) in metrics
    assert ("gauge", "dataops.dq.rules_failed", {"pipeline": "ops_gate", "task": "gate"}) in metrics


def test_run_references_and_jinja_reach_the_spec(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    with dag_of("ops_refs") as dag:
        gate(tmp_path, rules=[{"in_set": ["day", ["{{ ds }}", "${run.year}"]]}], pipeline="refs_{{ ds_nodash }}")
    run_dag(dag, WHEN)
    spec = spec_of(tmp_path, "refs_20240102")
    # a manual run has the last interval that ended before its logical date, and ${run.date} is that interval's start
    assert spec["source"]["path"] == f"{tmp_path}/bronze/2024-01-01"
    assert spec["rules"] == [{"in_set": ["day", ["2024-01-02", "2024"]]}]
    assert (spec["run"]["interval_start"], spec["run"]["interval_end"]) == (
        "2024-01-01T00:00:00Z",
        "2024-01-02T00:00:00Z",
    )


def test_models_do_as_well_as_dicts(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    from airflow_dataops.core.tables import MaskSpec, Resources, SourceSpec, WindowSlice

    with dag_of("ops_models") as dag:
        gate(
            tmp_path,
            source=SourceSpec(path="/b/${run.date}", format="csv"),
            slice=WindowSlice(column="t"),
            masks={"email": MaskSpec(kind="last4")},
            job_resources=Resources(threads=1, memory_bytes=2**27),
        )
    run_dag(dag, WHEN)
    spec = spec_of(tmp_path, "ops_models")
    assert (spec["source"]["path"], spec["source"]["format"]) == ("/b/2024-01-01", "csv")
    assert (spec["slice"]["column"], spec["masks"]["email"]["kind"]) == ("t", "last4")
    assert (spec["resources"]["threads"], spec["resources"]["memory_bytes"]) == (1, 2**27)


def test_a_suite_may_be_a_file_beside_the_dag(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text('{"expectations": []}')
    with dag_of("ops_suite") as dag:
        gate(tmp_path, suite="suite.json")
    (tmp_path / "dag.py").write_text("# airflow dag")
    dag.fileloc = str(tmp_path / "dag.py")
    assert run_dag(dag, WHEN).state == "success"
    assert spec_of(tmp_path, "ops_suite")["suite"] == {"expectations": []}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"suite": "/nowhere.json"}, "the suite /nowhere.json cannot be read"),
        ({"slice": {"kind": "half"}}, "slice"),
        ({"source": {"path": "${run.dat}"}}, "did you mean 'run.date'"),
        ({"masks": {"a": {"kind": "sha256", "salt": {"secret": "var:NOT_SET"}}}}, "airflow variables set NOT_SET"),
        ({"on_failure": "explode"}, "on_failure"),
        ({"job_resources": {"memory_bytes": 2**60}}, "this worker has"),
    ],
)
def test_what_the_author_wrote_wrong_fails_without_a_retry(
    run_dag: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, fields: dict[str, Any], said: str
) -> None:
    errors: list[str] = []
    with dag_of("ops_wrong") as dag:
        gate(
            tmp_path,
            retries=2,
            retry_delay=timedelta(0),
            on_failure_callback=lambda context: errors.append(str(context["exception"])),
            **fields,
        )
    run = run_dag(dag, WHEN)
    assert (run.state, run.get_task_instance("gate").try_number) == ("failed", 1)
    assert said in errors[0]


def test_bad_data_says_rules_rows_examples_and_page_and_is_not_retried(
    run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "mode").write_text("bad_rows")
    errors: list[str] = []
    with dag_of("ops_bad") as dag:
        gate(
            tmp_path,
            retries=2,
            report_base_url="https://pages.example/lake",
            on_failure_callback=lambda context: errors.append(str(context["exception"])),
        )
    run = run_dag(dag, WHEN)
    assert (run.state, run.get_task_instance("gate").try_number) == ("failed", 1)
    assert "7 of 100 rows break not_null(tailnum)" in errors[0]
    assert errors[0].count("tailnum=NULL") == 5
    assert "https://pages.example/lake/.dataops/runs/ops_bad/2024-01-01T000000/report.html" in errors[0]


def test_a_storage_fault_is_retried(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mode").write_text("storage")
    tries: list[int] = []

    def mend(context: Any) -> None:
        tries.append(context["ti"].try_number)
        (tmp_path / "mode").write_text("ok")

    with dag_of("ops_retry") as dag:
        gate(tmp_path, retries=2, retry_delay=timedelta(seconds=0), on_retry_callback=mend)
    run = run_dag(dag, WHEN)
    assert (run.state, len(tries)) == ("success", 1)


def test_secrets_reach_the_job_and_nothing_else(
    run_dag: Callable[..., Any],
    airflow_db: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    names = ["conn:salts.password", "var:salt", "env:OPS_SALT"]
    monkeypatch.setenv("AIRFLOW_CONN_SALTS", json.dumps({"conn_type": "generic", "password": f"{SECRET}-conn"}))
    monkeypatch.setenv("AIRFLOW_VAR_SALT", f"{SECRET} it's {{{{ ds }}}} %s")
    monkeypatch.setenv("OPS_SALT", f"{SECRET}-env")
    caplog.set_level(logging.INFO)
    with dag_of("ops_secret") as dag:
        gate(tmp_path, masks={f"c{n}": {"kind": "sha256", "salt": {"secret": name}} for n, name in enumerate(names)})
    run = run_dag(dag, WHEN)
    assert run.state == "success"
    files = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    out, err = capfd.readouterr()
    seen = caplog.text + out + err
    assert all(f"secret {name} is ***" in seen for name in names)
    assert SECRET not in seen + files + json.dumps(pulled(run, "gate"))
    # Rendered fields, XCom and the serialised DAG are in there; so is this file, as the DAG's code, with the beginning of each secret.
    database = b"".join(file.read_bytes() for file in airflow_db.glob("airflow.db*"))
    assert b"ops_secret" in database
    assert [more for more in ("-conn", " it's", "-env") if f"{SECRET}{more}".encode() in database] == []


def test_refine_and_publish_in_one_task_tell_the_asset(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    from airflow.providers.common.compat.sdk import Asset

    from airflow_dataops.operators.refine import RefineTableOperator

    asset = Asset(uri="file:///lake/silver/one_task")
    with dag_of("ops_refine") as dag:
        RefineTableOperator(
            task_id="refine",
            lake=str(tmp_path),
            source={"path": "/b"},
            slice={"kind": "window", "column": "old"},
            target={"path": "/lake/silver/one_task"},
            clean={"rename": {"old": "new"}},
            gates=["gate"],
            outlets=[asset],
        )
    register_assets(dag)
    run = run_dag(dag, WHEN)
    assert run.state == "success"
    value = pulled(run, "refine")
    assert (value["rows"]["read"], value["rows"]["written"], value["files_added"]) == (100, 90, 2)
    published = spec_of(tmp_path, "ops_refine", "refine.publish")
    assert (published["slice"]["column"], published["gates"]) == ("new", ["gate"])
    assert asset_event("file:///lake/silver/one_task")["rows"] == 90


def test_staging_alone_publishes_nothing(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    from airflow_dataops.operators.refine import RefineTableOperator

    with dag_of("ops_stage") as dag:
        RefineTableOperator(
            task_id="refine",
            lake=str(tmp_path),
            source={"path": "/b"},
            slice=FULL,
            target={"path": "/s"},
            publish=False,
        )
    run = run_dag(dag, WHEN)
    assert pulled(run, "refine")["files"] == 2
    assert not list(tmp_path.rglob("*publish*"))


def test_a_report_after_a_refused_publish_succeeds_and_the_run_is_failed(
    run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    from airflow.providers.common.compat.sdk import Asset

    from airflow_dataops.operators.refine import PublishTableOperator, RunReportOperator

    with dag_of("ops_report") as dag:
        lake = str(tmp_path)
        publish = PublishTableOperator(
            task_id="publish",
            lake=lake + "/other",
            target={"path": "/s"},
            slice=FULL,
            outlets=[Asset(uri="file:///lake/silver/refused")],
        )
        report = RunReportOperator(task_id="report", lake=lake, title="Flights", steps=["publish"])
        publish >> report.as_teardown(on_failure_fail_dagrun=False)
    register_assets(dag)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mode").write_text("refused")
    run = run_dag(dag, WHEN)
    assert run.state == "failed"
    assert [str(run.get_task_instance(task).state) for task in ("publish", "report")] == ["failed", "success"]
    value = pulled(run, "report")
    assert value["verdict"] == "failed"
    assert len(json.dumps(value)) < 4000
    assert asset_event("file:///lake/silver/refused") is None


def register_assets(dag: Any) -> None:
    """Airflow 2 knows the datasets of DAGs that are in its database only; Airflow 3 is told by ``run_dag``."""
    from airflow import __version__ as version

    if version.startswith("2."):
        dag.sync_to_db()


def asset_event(uri: str) -> Any:
    """Return the extra of the newest event of an asset; None where it has none."""
    from airflow import __version__ as version
    from airflow.utils.session import create_session

    if version.startswith("2."):
        from airflow.models.dataset import DatasetEvent as Event
        from airflow.models.dataset import DatasetModel as Model

        column = Event.dataset_id
    else:
        from airflow.models.asset import AssetEvent as Event  # type: ignore[assignment]
        from airflow.models.asset import AssetModel as Model  # type: ignore[assignment]

        column = Event.asset_id  # type: ignore[attr-defined]
    with create_session() as session:
        found = (
            session.query(Event)
            .join(Model, Model.id == column)
            .filter(Model.uri == uri)
            .order_by(Event.id.desc())
            .first()
        )
        return found.extra if found else None
