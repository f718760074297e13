# SPDX-License-Identifier: Apache-2.0
"""The flights pipeline on targets ``local`` and ``onprem``: one file, driver pods on a real API server, a real S3 server, one table."""

from __future__ import annotations

import json

import pytest

from airflow_dataops.clients.storage import storage_for
from tests.dag_files import dag_of
from tests.integration.spark_k8s.onprem import (
    IN_A_CONNECTION,
    IN_A_SECRET,
    WHEN,
    Place,
    RunDag,
    drivers,
    images,
    outputs,
    place,
    rows_of,
    steps_of,
)
from tests.integration.spark_k8s.scanning import Scan
from tests.services.fixtures import seaweedfs
from tests.services.kube.job_image import missing_spark
from tests.services.s3_servers import ACCESS, SECRET

__all__ = ["images", "place", "seaweedfs"]
pytestmark = [pytest.mark.airflow]
pytest.importorskip("boto3", reason="needs boto3: pip install 'airflow-dataops[s3]'")

STEPS = {"gate_bronze", "refine", "gate_silver", "publish", "report"}


@pytest.mark.parametrize(
    ("engine", "line", "store", "months", "gated"),
    [
        pytest.param("duckdb", "3.5", IN_A_SECRET, 2, True, id="duckdb"),
        pytest.param("spark", "3.5", IN_A_CONNECTION, 1, False, id="spark"),
        pytest.param("spark", "4.0", IN_A_SECRET, 1, False, id="spark-4.0", marks=pytest.mark.soak),
        pytest.param("duckdb", "3.5", IN_A_CONNECTION, 12, True, id="duckdb-whole", marks=pytest.mark.soak),
        pytest.param(
            "spark", "3.5", IN_A_SECRET, 12, True, id="spark-whole", marks=[pytest.mark.soak, pytest.mark.timeout(1500)]
        ),
    ],
)
def test_the_table_of_the_pods_is_that_of_a_laptop(
    place: Place,
    run_dag: RunDag,
    monkeypatch: pytest.MonkeyPatch,
    scan: Scan,
    engine: str,
    line: str,
    store: str,
    months: int,
    gated: bool,
) -> None:
    if engine == "spark" and (why := missing_spark(line)):
        pytest.skip(why)
    place.deliver(months)
    place.project(store.format(url=place.server.url), engine, line=line)
    if not gated:
        place.leave_gates_out()
    steps = STEPS if gated else {"refine", "publish", "report"}
    extra = {"endpoint_url": place.server.url}
    connection = {"conn_type": "aws", "login": ACCESS, "password": SECRET, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
    monkeypatch.setenv("DATAOPS_TARGET", "onprem")
    run = run_dag(dag_of(place.folder, "flights"), WHEN)
    found = outputs(run)
    states = {one.task_id: str(one.state) for one in run.get_task_instances()}
    assert (run.state, set(found)) == ("success", steps), states
    assert place.run_here().key == found["refine"]["run_key"]
    laptop = str(place.folder / "lake")
    for name, value in place.server.environ().items():
        monkeypatch.setenv(name, value)
    rows = rows_of(place.lake, "silver/flights")
    assert len(rows) > 23_000 * months
    assert rows == rows_of(laptop, "silver/flights")
    if gated:
        assert rows_of(place.lake, "quarantine") == rows_of(laptop, "quarantine")
        assert found["report"]["verdict"] == found["gate_bronze"]["verdict"] == "quarantined"
    assert found["publish"]["rows"]["written"] == len(rows)
    assert len({step["spark"]["driver_pod"] for step in found.values()}) == len(steps)
    assert found["refine"]["spark"]["executor_peak"] == (1 if engine == "spark" else 0)
    scan.look("XCom", found)
    scan.look("steps", told := steps_of(drivers(scan)))
    assert {one["task"] for one in told} == steps  # what is packed was seen, too


def test_data_that_does_not_pass_is_not_published_and_told_at_once(
    place: Place, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.deliver(1)
    place.project(IN_A_SECRET.format(url=place.server.url))
    monkeypatch.setenv("DATAOPS_TARGET", "onprem")
    written = (place.folder / "flights.yaml").read_text()
    (place.folder / "flights.yaml").write_text(written.replace("quarantine, max_quarantine_ratio: 0.05", "fail"))
    dag = dag_of(place.folder, "flights")
    raised: list[BaseException] = []
    dag.get_task("gate_bronze").on_failure_callback = [lambda context: raised.append(context["exception"])]
    run = run_dag(dag, WHEN)
    states = {one.task_id: str(one.state) for one in run.get_task_instances()}
    assert (states.pop("gate_bronze"), states.pop("report")) == ("failed", "success")
    assert set(states.values()) == {"upstream_failed"}
    assert "GATE_FAILED" in str(raised[0])
    assert outputs(run)["report"]["verdict"] == "failed"
    for name, value in place.server.environ().items():
        monkeypatch.setenv(name, value)
    assert storage_for(place.lake).find(f"{place.lake}/silver") == []
