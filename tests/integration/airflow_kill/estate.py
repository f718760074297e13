# SPDX-License-Identifier: Apache-2.0
"""A real Airflow, of either version, with one DAG of one task for each death, and what is asked of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from tests.integration.airflow_kill.stack import Airflow, wait_for
from tests.integration.airflow_kill.stack2 import Airflow2
from tests.integration.forking import ROOT

RUN, TASK = "by_hand", "delays"
PATIENCE = 400.0
A = TypeVar("A", Airflow, Airflow2)
# Nobody dies here whom Airflow would have to miss by a silence, the triggerer apart.
OF_TRIGGERERS = {
    "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "600",
}
DAGS = """
# airflow dag
import json, os, pathlib
from datetime import UTC, datetime, timedelta
from airflow.providers.common.compat.sdk import DAG
from MODULE import OPERATOR

FOLDER = pathlib.Path(os.environ["ESTATE"])

def note(context):
    FOLDER.joinpath(f"{context['ti'].dag_id}.{context['ti'].try_number}.pid").write_text(str(os.getpid()))

for name, given in json.loads(FOLDER.joinpath("arguments.json").read_text()).items():
    with DAG(name, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False) as dag:
        OPERATOR(task_id="delays", retry_delay=timedelta(seconds=1), pre_execute=note, **given)
    globals()[name] = dag
"""


@dataclass
class Runs(Generic[A]):
    """One run of each DAG of an Airflow.

    Attributes:
        airflow: The Airflow.
        folder: Where each try leaves the number of its process.
    """

    airflow: A
    folder: Path

    def state(self, name: str) -> str:
        """Return the state of a DAG's task."""
        return self.airflow.task_state(name, RUN, TASK)

    def wait_for_deferral(self, name: str) -> None:
        """Wait until a DAG's task is deferred."""
        wait_for(f"the deferral of {name}", lambda: self.state(name) == "deferred", PATIENCE)

    def process(self, name: str) -> int:
        """Return the process of a DAG's first try."""
        return int((self.folder / f"{name}.1.pid").read_text())

    def wait_for_second_try(self, name: str) -> None:
        """Wait until a DAG's task has begun anew."""
        wait_for("the second try", (self.folder / f"{name}.2.pid").exists, PATIENCE)

    def ended(self, name: str) -> str:
        """Wait for the end of a DAG's run; return how it ended."""

        def look() -> str | None:
            state = self.airflow.state(name, RUN)
            return state if state in ("success", "failed") else None

        return str(wait_for(f"the run of {name}", look, PATIENCE))

    def log(self, name: str) -> str:
        """Return all that is in the log of a DAG's task, its trigger's included."""
        files = self.airflow.home.glob(f"logs/**/dag_id={name}/**/*.log*")
        return "\n".join(file.read_text() for file in files if file.is_file())


@contextmanager
def airflow_with(
    kind: type[A], folder: Path, operator: str, arguments: Mapping[str, Any], variables: Mapping[str, str]
) -> Iterator[A]:
    """An Airflow that knows all DAGs; none runs yet.

    Args:
        kind: Which Airflow.
        folder: For everything; its ``home`` is Airflow's.
        operator: Module and class of the task.
        arguments: Name of a DAG -> the operator's arguments.
        variables: What all processes get besides.
    """
    home = folder / "home"
    (home / "dags").mkdir(parents=True)
    (folder / "arguments.json").write_text(json.dumps(arguments))
    module, _, name = operator.rpartition(".")
    (home / "dags/kills.py").write_text(DAGS.replace("MODULE", module).replace("OPERATOR", name))
    settings = {f"AIRFLOW__{key}": value for key, value in OF_TRIGGERERS.items()}
    airflow = kind(home, {**settings, "PYTHONPATH": str(ROOT), "ESTATE": str(folder), **variables})
    try:
        airflow.start(PATIENCE)
        for dag in arguments:
            wait_for(f"the DAG {dag}", lambda dag=dag: airflow.has(dag), PATIENCE)
        yield airflow
    finally:
        airflow.stop()
