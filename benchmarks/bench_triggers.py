# SPDX-License-Identifier: Apache-2.0
"""Five hundred deferred Dask runs in one event loop: how late the loop is for everything else that it does.

    python benchmarks/bench_triggers.py [--runs 500] [--seconds 20] [--poll 5] [--smoke]

Each run has a client of its own, as each trigger has; they begin right after one another, as after a restart of a triggerer, and go
through the whole machine against a Dataproc in a process of its own (gRPC with TLS) and, where fake-gcs-server is installed, a real GCS
server with a heartbeat at each poll. A sleeper in the same loop says how late it is called; the floor is the same sleeper before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.dataproc_dask.drive import drive
from airflow_dataops.clients.google import GoogleSettings
from airflow_dataops.core.dataproc_dask.lifecycle import begin
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import Step
from airflow_dataops.core.identity import RunIdentity
from tests.services.gcs_server import binary, gcs_server

REACH = 0.050
STEP = 0.005
FLOOR_SECONDS = 3.0


@dataclass(frozen=True)
class Token:
    """Credentials that never end."""

    def __call__(self) -> Any:
        from google.oauth2.credentials import Credentials

        return Credentials("token")


@contextmanager
def dataproc(seconds: float) -> Iterator[dict[str, Any]]:
    """Start the Dataproc; after the block, what it yields has what it saw."""
    with tempfile.TemporaryDirectory(prefix="bench-triggers-") as folder:
        command = [sys.executable, str(ROOT / "benchmarks/dataproc_world.py"), folder, str(seconds)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=env, **pipes) as process:
            assert process.stdout is not None
            found = json.loads(process.stdout.readline())
            os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = found["roots"]
            yield found
            found |= json.loads(process.communicate("")[0])


def run_of(bucket: str, poll: float, beats: bool) -> DaskRun:
    """Return the run that all do."""
    return DaskRun.model_validate(
        {
            "cluster": {
                "project": "bench-project",
                "region": "europe-west1",
                "subnetwork": "projects/bench-project/regions/europe-west1/subnetworks/s",
            },
            "job": {
                "function": "module:function",
                "bootstrap_uri": f"gs://{bucket}/driver.py",
                "spec_uri": f"gs://{bucket}/runs/job.json",
                "spec_hash": "0" * 64,
            },
            "policy": {"poll": timedelta(seconds=poll), "heartbeat_stale": "5m" if beats else None},
        }
    )


Late = tuple[list[float], list[float]]


async def lateness(over: asyncio.Event, step: float = STEP) -> Late:
    """Return by how many seconds each sleep of ``step`` took too long, until ``over``, and how long the loop's thread worked meanwhile.

    The second does not count what other processes take from this one.
    """
    late, work = [], []
    while not over.is_set():
        begun, worked = time.perf_counter(), time.thread_time()
        await asyncio.sleep(step)
        late.append(time.perf_counter() - begun - step)
        work.append(time.thread_time() - worked)
    return late, work


async def floor() -> Late:
    """Return the lateness of a loop that does nothing else."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(FLOOR_SECONDS, over.set)
    return await lateness(over)


async def one(run: DaskRun, settings: GoogleSettings, number: int, ends: Counter[str], calls: Counter[str]) -> None:
    """Drive one run, as a trigger does."""
    identity = RunIdentity(instance="bench", dag_id="d", task_id="t", run_id=f"r{number}")
    step = begin(run, identity, goal=Goal.RUN, now=datetime.now(UTC), attempt=f"a{number}")

    async def hear(step: Step) -> None:
        step.state.model_dump_json()  # what a trigger keeps at each step

    async with DataprocDaskClient(settings) as client:
        last = await drive(client, run, step, hear=hear)
        ends[str(getattr(last.state.outcome and last.state.outcome.failure, "code", "ok"))] += 1
        calls.update(client.calls)


async def measure(run: DaskRun, settings: GoogleSettings, count: int) -> dict[str, Any]:
    """Run all of them and say what the loop was like meanwhile."""
    found: dict[str, Any] = {"floor": await floor(), "ends": Counter(), "calls": Counter()}
    first = await watched(DataprocDaskClient(settings).list_clusters(""))
    found["first"] = first["late"]
    return found | await watched(all_of_them(run, settings, count, found["ends"], found["calls"]))


async def all_of_them(
    run: DaskRun, settings: GoogleSettings, count: int, ends: Counter[str], calls: Counter[str]
) -> None:
    """Begin one run a round of the loop, as a triggerer begins its triggers, and wait for all."""
    begun = []
    for number in range(count):
        begun.append(asyncio.create_task(one(run, settings, number, ends, calls)))
        await asyncio.sleep(0)
    await asyncio.gather(*begun)


async def watched(work: Awaitable[Any]) -> dict[str, Any]:
    """Await something and say what the loop was like meanwhile."""
    over = asyncio.Event()
    watching = asyncio.create_task(lateness(over))
    begun, cpu = time.perf_counter(), time.process_time()
    await work
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    threads = threading.active_count()
    over.set()
    return {"late": await watching, "took": took, "cpu": cpu, "threads": threads}


def at(values: list[float], share: float) -> float:
    """Return a quantile."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20, help="length of each job")
    parser.add_argument("--poll", type=float, default=5, help="seconds between two looks; the operator's default is 10")
    parser.add_argument("--smoke", action="store_true", help="20 runs of 2 seconds")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.runs, arguments.seconds, arguments.poll = 20, 2.0, 1.0
    with ExitStack() as stack:
        server = stack.enter_context(dataproc(arguments.seconds))
        storage = stack.enter_context(gcs_server()) if binary() is not None else None
        settings = GoogleSettings(
            "bench-project",
            "europe-west1",
            credentials=Token(),
            dataproc_endpoint=server["endpoint"],
            storage_endpoint=storage.url if storage else "http://127.0.0.1:1",
        )
        run = run_of(storage.bucket() if storage else "bucket", arguments.poll, storage is not None)
        seen = asyncio.run(measure(run, settings, arguments.runs))
    for name, words in (("floor", "the idle loop"), ("first", "the first call"), ("late", f"{arguments.runs} runs")):
        late, work = seen[name]
        print(
            f"{words}: late p50 {at(late, 0.5) * 1e3:.1f} ms, p99 {at(late, 0.99) * 1e3:.1f} ms, worst {max(late) * 1e3:.0f} ms;"
            f" the loop's own work between two looks p99 {at(work, 0.99) * 1e3:.1f} ms, worst {max(work) * 1e3:.0f} ms"
        )
    print(
        f"  (reach p99 {REACH * 1e3:.0f} ms; a look each {arguments.poll:g} s) {seen['took']:.0f} s, {seen['cpu']:.1f} CPU s,"
        f" {seen['threads']} threads, {seen['calls'].total()} calls of gRPC ({seen['calls'].total() / seen['took']:.0f} a second);"
        f" ends: {dict(seen['ends'])}; clusters left: {server['clusters']}"
    )


if __name__ == "__main__":
    main()
