# SPDX-License-Identifier: Apache-2.0
"""Five hundred deferred Spark runs in one triggerer of Airflow 3: how late its loop is, and what they ask of the API server.

    python benchmarks/bench_triggerer.py [--runs 500] [--seconds 75] [--poll 10] [--smoke]

The runs of ``bench_spark_triggers.py``, against the same real API server with played pods, but in Airflow's own triggerer: task instances
that are deferred in a database (SQLite), a supervisor that hands their triggers to a runner process, connections and XComs through the
supervisor, and each trigger's log in a file of its own. Two sleepers are in the runner's loop: one of 5 ms, and one of 100 ms, as
Airflow's own watch for triggers that block it. The floor is the first one in an idle loop, before.
The drivers' logs, 2 KiB each and all there at the beginning, go line by line through one pipe to the supervisor;
``AIRFLOW__LOGGING__LOGGING_LEVEL=WARNING`` leaves them out.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HOME = tempfile.TemporaryDirectory(prefix="bench-triggerer-")  # Airflow reads where it is when it is imported
os.environ |= {
    "AIRFLOW_HOME": HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__FERNET_KEY": "c2VjcmV0LW9mLXRoZS10ZXN0cy1vbmx5LTMyLWJ5dGU=",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME.name}/airflow.db",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER": f"{HOME.name}/logs",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}
os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "INFO")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

from airflow.jobs import triggerer_job_runner
from airflow.jobs.triggerer_job_runner import TriggererJobRunner, TriggerRunner, TriggerRunnerSupervisor

from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.core.spark_k8s.run import SparkRun
from benchmarks.bench_spark_triggers import (
    Count,
    kubernetes,
    plateau,
    read_arguments,
    tell,
    tell_calls,
    trigger_of,
    wanted,
)
from benchmarks.bench_triggers import floor, lateness

WATCH = 0.1  # seconds that Airflow's own watch sleeps
START = 900  # seconds after which it is given up, beside the length of a run
FOUND, SAID = Path(HOME.name, "found.json"), Path(HOME.name, "airflow.out")


class Runner(TriggerRunner):
    """Airflow's runner, watched from within its loop.

    Attributes:
        runs: How many there are.
        poll: Seconds between two looks.
    """

    runs, poll = 0, 0.0

    async def arun(self) -> None:
        """Run until the supervisor ends it, and leave what was seen in a file."""
        found: dict[str, Any] = {"floor": await floor()}
        calls, over = Count(self.runs), asyncio.Event()
        SparkKubeClient._count = staticmethod(calls)  # type: ignore[assignment,method-assign]
        watches = [asyncio.create_task(lateness(over)), asyncio.create_task(lateness(over, WATCH))]
        wide = asyncio.create_task(plateau(calls, self.runs, self.poll))
        begun, cpu = time.perf_counter(), time.process_time()
        await super().arun()  # type: ignore[no-untyped-call]
        found |= {"took": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
        over.set()
        found["late"], found["watch"] = await asyncio.gather(*watches)
        wide.cancel()
        found["plateau"] = wide.result() if wide.done() and not wide.cancelled() else None
        found |= {"calls": calls.sent, "threads": threading.active_count()}
        found["limit"] = self.blocked_main_thread_warning_threshold
        await asyncio.to_thread(FOUND.write_text, json.dumps(found))


class Supervisor(TriggerRunnerSupervisor):
    """Airflow's supervisor, until the last trigger has told its event.

    Attributes:
        ends: How the runs have ended.
        deadline: When it is not waited for any longer; of ``time.monotonic()``.
    """

    ends: Counter[str] = Counter()
    deadline = 0.0

    def on_trigger_event(self, trigger_id: int, event: Any) -> None:
        """Count an event, and let its task go on."""
        super().on_trigger_event(trigger_id, event)
        failure = event.payload["failure"]
        self.ends["ok" if failure is None else failure["code"]] += 1

    def on_trigger_failure(self, trigger_id: int, exc: list[str] | None) -> None:
        """Count a trigger that broke."""
        super().on_trigger_failure(trigger_id, exc)
        self.ends["".join(exc or ["no event"])[-500:]] += 1

    def should_stop(self) -> bool:
        """Tell whether all is over."""
        return self.stop or self.ends.total() >= Runner.runs or time.monotonic() > self.deadline

    @classmethod
    def run_in_process(cls) -> None:
        """Be the runner's process."""
        Runner().run()


def prepare(runs: int) -> None:
    """Make Airflow's database, with one DAG of one task."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG, SerializedDAG
    from airflow.utils.db import initdb

    from airflow_dataops.operators.spark_k8s import SparkKubernetesSubmitOperator

    initdb()
    DagBundlesManager().sync_bundles_to_db()
    with DAG("d", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), max_active_runs=runs) as dag:
        SparkKubernetesSubmitOperator(task_id="t", app={"main": "local:///opt/app/job.py", "image": "i"})
    lazy = LazyDeserializedDAG.from_dag(dag)
    SerializedDAG.bulk_write_to_db("dags-folder", None, [lazy])
    SerializedDagModel.write_dag(lazy, bundle_name="dags-folder")


def defer(run: SparkRun, runs: int) -> None:
    """Make the runs of the DAG, each with its task deferred, as workers leave them."""
    from airflow.models.dagbag import DBDagBag
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, TaskInstanceState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    now = datetime.now(UTC)
    with create_session() as session:
        dag: Any = DBDagBag().get_latest_version_of_dag("d", session=session)
        for number in range(runs):
            made = dag.create_dagrun(
                run_id=f"r{number}",
                run_after=now,
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                session=session,
            )
            [task] = made.get_task_instances(session=session)
            row = Trigger.from_object(trigger_of(run, number))
            session.add(row)
            session.flush()
            task.state, task.trigger_id, task.try_number = TaskInstanceState.DEFERRED, row.id, 1
            task.next_method, task.next_kwargs, task.trigger_timeout = "execute_complete", {}, now + timedelta(hours=1)


def resumed() -> int:
    """Return how many tasks are to go on."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        return int(session.scalar(select(func.count()).where(TaskInstance.state == "scheduled")) or 0)


def triggerer(seconds: float) -> float:
    """Run the triggerer until all its triggers have ended; returns the CPU seconds of its supervisor, which is this process."""
    from airflow.jobs.job import Job, run_job

    Supervisor.deadline = time.monotonic() + seconds
    triggerer_job_runner.TriggerRunnerSupervisor = Supervisor  # type: ignore[misc]
    job, cpu = Job(job_type=TriggererJobRunner.job_type), time.process_time()
    runner = TriggererJobRunner(job=job, capacity=max(Runner.runs, 1000))
    run_job(job=job, execute_callable=runner._execute)
    return time.process_time() - cpu


def main() -> None:
    """Read the arguments and run."""
    arguments = read_arguments(__doc__)
    Runner.runs, Runner.poll = arguments.runs, arguments.poll
    with kubernetes(arguments.seconds) as there:
        if "missing" in there:
            print(there["missing"])
            return
        with elsewhere():
            prepare(arguments.runs)
            defer(wanted(there, arguments.poll), arguments.runs)
            cpu = triggerer(arguments.seconds + START)
            going = resumed()
    if not FOUND.is_file():
        raise SystemExit(f"the triggerer has left nothing; it said: {said()}")
    seen = json.loads(FOUND.read_text()) | {"ends": Supervisor.ends}
    tell(seen, {"floor": "the idle loop", "late": f"{arguments.runs} runs", "watch": "as Airflow's own watch sees it"})
    blocked = sum(late + WATCH > seen["limit"] for late in seen["watch"][0])
    print(
        f"  it would have warned {blocked} times of {len(seen['watch'][0])} (a sleep of {WATCH:g} s over {seen['limit']:g} s)"
    )
    tell_calls(seen, arguments.poll, there["left"])
    print(
        f"  the supervisor, with its database: {cpu:.1f} CPU s ({cpu / seen['took'] * 100:.0f} % of a core); tasks that go on: {going}"
    )
    if Supervisor.ends != {"ok": arguments.runs} or {there["left"], going} != {arguments.runs}:
        raise SystemExit(f"not every run has succeeded by one driver; the triggerer said: {said()}")


@contextmanager
def elsewhere() -> Iterator[None]:
    """Write all that Airflow says into a file, also what its other process says."""
    sys.stdout.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with SAID.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        sys.stdout.flush()
        for number, old in zip((1, 2), kept, strict=True):
            os.dup2(old, number)
            os.close(old)


def said() -> str:
    """Return the end of what Airflow has written."""
    return SAID.read_text(errors="replace")[-3000:]


if __name__ == "__main__":
    main()
