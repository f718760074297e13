# SPDX-License-Identifier: Apache-2.0
"""Real deaths in a real Airflow: of a task, of its supervisor, of scheduler and triggerer; and no secret in what is left.

All runs share one Airflow and go on side by side. Each pipeline has a table of its own over the same source, and each has to leave what a
run without Airflow and without a death leaves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.faults import FaultPoint as At
from tests.conftest import HAS_AIRFLOW
from tests.integration.airflow_kill import lake as lakes
from tests.integration.airflow_kill.orders import Act, Orders
from tests.integration.airflow_kill.receiver import Receiver
from tests.integration.airflow_kill.stack import Airflow, alive, wait_for

ROOT = Path(__file__).resolve().parents[3]
RUN = "by_hand"
SALTS = {
    "aircraft": "s3cr3t-aircraft it's {{ 7*7 }} %s",
    "places": "s3cr3t-places/@:?&",
    "airline": "s3cr3t-airline",
}
PAGER = "s3cr3t-pager"

# Pipeline -> format, and where who dies, in the order of the steps.
KILLS: dict[str, tuple[str, list[tuple[At, Act]]]] = {
    "task_parquet": (
        "parquet",
        [(At.GATE_ROWS_ASIDE, "task"), (At.REFINE_WRITTEN, "task"), (At.PUBLISH_MARKED, "task")],
    ),
    "task_delta": ("delta", [(At.GATE_SCANNED, "task"), (At.REFINE_STAGED, "task"), (At.PUBLISH_COMMITTED, "task")]),
    "supervisor": (
        "parquet",
        [(At.GATE_OPENED, "supervisor"), (At.REFINE_COUNTED, "supervisor"), (At.TABLE_JOINED, "supervisor")],
    ),
}
STOPPED_AT = At.PUBLISH_MARKED


def airflow_of_the_right_age() -> bool:
    if not HAS_AIRFLOW:
        return False
    from airflow import __version__

    return not __version__.startswith("2.")


pytestmark = [
    pytest.mark.integration,
    pytest.mark.airflow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not airflow_of_the_right_age(),
        reason="needs Airflow 3: its supervisor, API server and own DAG processor are what dies here",
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: a job asks its kernel to die with its task"),
]


@dataclass
class Estate:
    """One Airflow with its pipelines, and where it all lies."""

    airflow: Airflow
    orders: Orders
    receiver: Receiver
    lake: Path
    missed: set[tuple[str, At]] = field(default_factory=set)

    def trigger(self, *pipelines: str) -> None:
        for name in pipelines:
            body = {"dag_run_id": RUN, "logical_date": lakes.RUN_DATE}
            self.airflow.call("POST", f"dags/{name}/dagRuns", body)

    def ended(self, pipeline: str) -> str:
        def look() -> str | None:
            self.miss_supervisors()
            state = self.airflow.state(pipeline, RUN)
            return state if state in ("success", "failed") else None

        return str(wait_for(f"the run of {pipeline}", look))

    def miss_supervisors(self) -> None:
        """Let time pass for the tasks whose supervisor is gone: only by its silence does Airflow learn of its death."""
        for pipeline, (_, kills) in KILLS.items():
            for point, who in kills:
                if (
                    who == "supervisor"
                    and (pipeline, point) not in self.missed
                    and self.orders.is_taken(pipeline, point)
                ):
                    found = self.orders.taken(pipeline, point)
                    wait_for(
                        "the end of the supervisor and its task",
                        lambda found=found: not any(alive(found[one]) for one in ("supervisor", "task", "job")),
                    )
                    self.missed.add((pipeline, point))
                    self.airflow.missed((pipeline, RUN, found["step"]))

    def result(self, pipeline: str) -> dict[str, Any]:
        file = self.lake / ".dataops/runs" / pipeline / lakes.RUN_KEY / "result.json"
        return dict(json.loads(file.read_text()))

    def lease(self, pipeline: str) -> dict[str, Any]:
        leases = [json.loads(path.read_text()) for path in (self.lake / ".dataops/leases").glob("*.json")]
        [found] = [one for one in leases if one["table"].endswith(f"/silver/{pipeline}")]
        return dict(found)

    def pulled(self, pipeline: str, task: str) -> dict[str, Any]:
        path = f"dags/{pipeline}/dagRuns/{RUN}/taskInstances/{task}/xcomEntries/return_value"
        return dict(self.airflow.call("GET", f"{path}?deserialize=true")["value"])


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """An Airflow in which all pipelines but one are on their way: ``restarted`` is for the test that kills the scheduler."""
    folder = tmp_path_factory.mktemp("estate")
    dags = folder / "home/dags"
    dags.mkdir(parents=True)
    texts = {name: lakes.pipeline(name, kind) for name, (kind, _) in KILLS.items()}
    texts |= {name: lakes.pipeline(name, "parquet") for name in ("stopped", "restarted", "failing")}
    texts["failing"] = texts["failing"].replace(*lakes.FAILING)
    lakes.make_project(dags, texts)
    orders = Orders(folder / "faults")
    environment = {
        "PYTHONPATH": f"{orders.folder}{os.pathsep}{ROOT}",
        "AIRLINE_SALT": SALTS["airline"],
        "TMPDIR": str(folder),
    }
    with Receiver(refused="failing") as receiver:
        airflow = Airflow(folder / "home", environment)
        try:
            airflow.start()
            made = Estate(airflow, orders, receiver, dags / "lake")
            make_secrets(made)
            for name in texts:
                wait_for(f"the DAG {name}", lambda name=name: is_there(airflow, name))
            for name, (_, kills) in KILLS.items():
                for point, who in kills:
                    orders.give(name, point, who)
            orders.give("stopped", STOPPED_AT, "hold")
            made.trigger(*KILLS, "failing", "stopped")
            yield made
        finally:
            airflow.stop()


def secrets_in(text: str) -> list[str]:
    """Return what of the secrets, in whole or in part, is in a text."""
    return [part for part in ("s3cr3t-", "it's {{ 7*7 }}", "it''s {{ 7*7 }}", "7*7 }} %s", "places/@:") if part in text]


def make_secrets(estate: Estate) -> None:
    pager = f"{estate.receiver.url}/{PAGER}"
    for key, value in {"aircraft_salt": SALTS["aircraft"], "pager_url": pager}.items():
        estate.airflow.call("POST", "variables", {"key": key, "value": value})
    connection = {"connection_id": "places", "conn_type": "generic", "password": SALTS["places"]}
    estate.airflow.call("POST", "connections", connection)


def is_there(airflow: Airflow, dag: str) -> bool:
    errors = airflow.call("GET", "importErrors")["import_errors"]
    assert errors == []
    found = airflow.call("GET", f"dags?dag_id_pattern={dag}")["dags"]
    return any(one["dag_id"] == dag for one in found)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake after one run without Airflow."""
    folder = tmp_path_factory.mktemp("undisturbed")
    lakes.make_project(folder, {"plain": lakes.pipeline("plain", "parquet")})
    secrets = {
        "AIRFLOW_VAR_AIRCRAFT_SALT": SALTS["aircraft"],
        "AIRFLOW_CONN_PLACES": json.dumps({"conn_type": "generic", "password": SALTS["places"]}),
        "AIRLINE_SALT": SALTS["airline"],
    }
    command = [sys.executable, "-m", "dag_factories", "run", "plain.yaml", "--date", lakes.RUN_DATE[:10]]
    environment = os.environ | secrets | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "lake"


def check_equal(estate: Estate, pipeline: str, undisturbed: Path) -> None:
    """Table, quarantine, result and XCom are those of a run in which nothing happened."""
    plain = json.loads((undisturbed / ".dataops/runs/plain" / lakes.RUN_KEY / "result.json").read_text())
    assert lakes.silver(estate.lake, pipeline) == lakes.silver(undisturbed, "plain")
    assert lakes.quarantine(estate.lake, pipeline) == lakes.quarantine(undisturbed, "plain")
    result = estate.result(pipeline)
    assert result["rows"] == plain["rows"]
    assert (result["published"], result["verdict"]) == (True, "quarantined")
    report = estate.pulled(pipeline, "report")
    assert report["rows"] == {name: count for name, count in plain["rows"].items() if name in report["rows"]}
    assert estate.pulled(pipeline, "publish")["rows"]["written"] == plain["rows"]["written"]
    # Nothing half done: no staged file, and a lease that is free and marks nothing.
    assert [file for file in (estate.lake / ".dataops/staging" / pipeline).rglob("*") if file.is_file()] == []
    lease = estate.lease(pipeline)
    assert (lease["holder"], lease["pending"]) == (None, None)


def test_a_task_that_is_marked_as_failed_ends_its_job_and_gives_back_the_table(
    estate: Estate, undisturbed: Path
) -> None:
    found = estate.orders.taken("stopped", STOPPED_AT)
    assert estate.lease("stopped")["holder"]["process"] == found["job"]

    estate.airflow.call("PATCH", f"dags/stopped/dagRuns/{RUN}/taskInstances/publish", {"new_state": "failed"})
    wait_for("the end of the job", lambda: not alive(found["job"]))
    wait_for("the end of the task", lambda: not alive(found["task"]))
    left = estate.lease("stopped")
    # The job was asked to end, so it gave back the lease; what it had put in force is for the next one to finish.
    assert left["holder"] is None
    assert left["pending"]
    assert estate.ended("stopped") == "failed"

    again = {"dry_run": False, "dag_run_id": RUN, "task_ids": ["publish"], "only_failed": False}
    estate.airflow.call("POST", "dags/stopped/clearTaskInstances", again | {"include_downstream": True})
    wait_for("the second run", lambda: estate.airflow.state("stopped", RUN) != "failed")
    assert estate.ended("stopped") == "success"
    check_equal(estate, "stopped", undisturbed)


@pytest.mark.parametrize("pipeline", KILLS)
def test_a_run_that_lost_a_process_in_each_step_leaves_what_an_undisturbed_one_leaves(
    estate: Estate, undisturbed: Path, pipeline: str
) -> None:
    state = estate.ended(pipeline)
    taken = {point: estate.orders.taken(pipeline, point, 0) for point, _ in KILLS[pipeline][1]}
    assert state == "success"
    for found in taken.values():
        assert not any(alive(found[who]) for who in ("job", "task"))
        assert not alive(found[found["act"]])
        assert estate.airflow.task(pipeline, RUN, found["step"])["try_number"] > 1
    check_equal(estate, pipeline, undisturbed)


def test_a_run_goes_on_after_scheduler_and_triggerer_are_killed_and_started_anew(
    estate: Estate, undisturbed: Path
) -> None:
    for pipeline in (*KILLS, "failing"):
        estate.ended(pipeline)
    estate.orders.give("restarted", At.REFINE_WRITTEN, "hold")
    estate.trigger("restarted")
    found = estate.orders.taken("restarted", At.REFINE_WRITTEN)
    commands = estate.airflow.commands()
    assert any("airflow_dataops.jobs.refine" in command for command in commands)
    assert secrets_in("\n".join(commands)) == []
    assert secrets_in(Path(f"/proc/{found['job']}/environ").read_text()) == []

    parts = ("triggerer", "scheduler")
    for part in parts:
        estate.airflow.kill_part(part)
    estate.airflow.missed()
    for part in parts:
        estate.airflow.start_part(part)
    # The new scheduler begins the task anew; the old try, whose supervisor lives on, is told to end by the API.
    assert estate.ended("restarted") == "success"
    assert not alive(found["job"])
    check_equal(estate, "restarted", undisturbed)
    wait_for("healthy parts", lambda: all(estate.airflow.health(part) == "healthy" for part in parts))


def test_a_run_fails_for_good_where_the_engine_refuses_a_value(estate: Estate) -> None:
    assert estate.ended("failing") == "failed"
    states = {task: estate.airflow.task("failing", RUN, task) for task in ("refine", "publish", "report")}
    assert {task: found["state"] for task, found in states.items()} == {
        "refine": "failed",
        "publish": "upstream_failed",
        "report": "success",
    }
    assert states["refine"]["try_number"] == 1
    assert not (estate.lake / "silver/failing").exists()


def test_no_secret_is_in_what_airflow_and_the_jobs_leave(estate: Estate, undisturbed: Path) -> None:
    for pipeline in (*KILLS, "failing"):
        estate.ended(pipeline)
    files = [file for file in estate.lake.parents[2].rglob("*") if file.is_file() and not file.is_symlink()]
    leaks = {str(file): found for file in files if (found := secrets_in(file.read_bytes().decode("latin-1")))}
    assert leaks == {}
    # The places in which a leak would be have been looked at.
    names = "\n".join(map(str, files))
    for place in ("airflow.db", "attempt=1.log", "attempt=2.log", "report.html", "refine.spec.json", "scheduler.out"):
        assert place in names
    # The secrets were there: each alert found its way by one, also those that the pager did not take.
    assert {path for path, _ in estate.receiver.posts} == {f"/{PAGER}"}
    told = {body["pipeline"]: body for _, body in estate.receiver.posts}
    assert set(told) >= {*KILLS, "failing"}
    assert secrets_in(json.dumps(list(told.values()))) == []


def test_no_job_outlived_its_task(estate: Estate) -> None:
    for pipeline in (*KILLS, "failing"):
        estate.ended(pipeline)
    assert estate.orders.survivors() == []
    assert [command for command in estate.airflow.commands() if "airflow_dataops.jobs" in command] == []
