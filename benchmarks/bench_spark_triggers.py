# SPDX-License-Identifier: Apache-2.0
"""Five hundred deferred Spark runs in one event loop: how late the loop is for everything else, and what they ask of the API server.

    python benchmarks/bench_spark_triggers.py [--runs 500] [--seconds 75] [--poll 10] [--smoke]

Each run is a trigger as a triggerer makes it, of JSON, with a client and a connection of its own; they begin right after one another, as
after a restart of a triggerer, and go through the whole machine, with the driver's log, to their event (the task then deletes the driver),
against a real API server in a process of its own, whose pods are played. A sleeper in the same loop says how late it is called; the floor
is the same sleeper before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")  # the lines of the drivers' logs
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s.lifecycle import begin
from airflow_dataops.core.spark_k8s.run import SparkRun, parse
from airflow_dataops.triggers.spark_k8s import SparkKubernetesTrigger
from benchmarks.bench_triggers import REACH, at, floor, watched

WIDE = 3  # polls of the plateau, in which all runs are watched and none begins or ends


class Count:
    """What all clients send, by method and resource.

    Args:
        runs: After so many ConfigMaps all runs are under way.
    """

    def __init__(self, runs: int) -> None:
        self.sent: Counter[str] = Counter()
        self.begun = asyncio.Event()
        self._runs = runs

    def __call__(self, method: str, path: str) -> None:
        """Count a request; it takes the place of each client's own method."""
        kind, *rest = path.split("/")
        self.sent[f"{method} {kind}/log" if rest[1:] == ["log"] else f"{method} {kind}"] += 1
        if self.sent["POST configmaps"] >= self._runs:
            self.begun.set()


@contextmanager
def kubernetes(seconds: float) -> Iterator[dict[str, Any]]:
    """Start the Kubernetes; after the block, what it yields has what is left in it."""
    command = [sys.executable, str(ROOT / "benchmarks/kube_world.py"), str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes) as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline())
        yield found
        if "missing" not in found:
            found |= json.loads(process.communicate("")[0])


def trigger_of(run: SparkRun, number: int) -> SparkKubernetesTrigger:
    """Return a trigger as another process makes it."""
    identity = RunIdentity(instance="bench", dag_id="d", task_id="t", run_id=f"r{number}")
    state = begin(run, identity, now=datetime.now(UTC)).state
    connection = {"kubernetes_conn_id": "bench", "aws_conn_id": None}
    made = {"run": run.model_dump(mode="json"), "state": state.model_dump(mode="json"), "connection": connection}
    return SparkKubernetesTrigger(**json.loads(json.dumps(made)))


async def follow(trigger: SparkKubernetesTrigger, ends: Counter[str]) -> None:
    """Run a trigger to its event."""
    async for event in trigger.run():
        failure = event.payload["failure"]
        ends["ok" if failure is None else failure["code"]] += 1


async def plateau(calls: Count, runs: int, poll: float) -> dict[str, float]:
    """Return what is asked for in the polls after the last run was begun, and what that costs this process."""
    await calls.begun.wait()
    await asyncio.sleep(poll)
    before, cpu, begun = calls.sent.total(), time.process_time(), time.perf_counter()
    await asyncio.sleep(WIDE * poll)
    took = time.perf_counter() - begun
    return {
        "calls": (calls.sent.total() - before) / took * 60 / runs,
        "second": (calls.sent.total() - before) / took,
        "cpu": (time.process_time() - cpu) / took,
    }


async def all_of_them(run: SparkRun, runs: int, poll: float, calls: Count, found: dict[str, Any]) -> None:
    """Begin one run a round of the loop, as a triggerer begins its triggers, and wait for all."""
    wide = asyncio.create_task(plateau(calls, runs, poll))
    begun = []
    for number in range(runs):
        begun.append(asyncio.create_task(follow(trigger_of(run, number), found["ends"])))
        await asyncio.sleep(0)
    await asyncio.gather(*begun)
    found["plateau"] = await wide


async def measure(run: SparkRun, runs: int, poll: float) -> dict[str, Any]:
    """Run all of them and say what the loop was like meanwhile."""
    calls = Count(runs)
    SparkKubeClient._count = staticmethod(calls)  # type: ignore[assignment,method-assign]
    found: dict[str, Any] = {"floor": await floor(), "ends": Counter(), "calls": calls.sent}
    return found | await watched(all_of_them(run, runs, poll, calls, found)) | {"plateau": found["plateau"]}


def read_arguments(words: str | None) -> argparse.Namespace:
    """Read the command line of a benchmark of deferred Spark runs."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=75, help="length of each run")
    parser.add_argument("--poll", type=float, default=10, help="seconds between two looks, as the operator has it")
    parser.add_argument("--smoke", action="store_true", help="50 runs of 8 seconds")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.runs, arguments.seconds, arguments.poll = 50, 8.0, 1.0
    return arguments


def wanted(there: dict[str, Any], poll: float) -> SparkRun:
    """Return the run that all do, with its connection in the environment."""
    cluster = {"conn_type": "kubernetes", "extra": {"kube_config": there["kubeconfig"]}}
    os.environ["AIRFLOW_CONN_BENCH"] = json.dumps(cluster)
    return parse(
        {
            "app": {"main": "local:///opt/app/job.py", "image": "i", "driver": {"cores": "1m"}},
            "target": {"namespace": there["namespace"], "service_account": "spark-driver"},
            "policy": {"poll": f"{poll:g}s"},
        }
    )


def tell(seen: dict[str, Any], names: dict[str, str]) -> None:
    """Print how late the loop was."""
    for name, words in names.items():
        late, work = seen[name]
        print(
            f"{words}: late p50 {at(late, 0.5) * 1e3:.1f} ms, p99 {at(late, 0.99) * 1e3:.1f} ms, worst {max(late) * 1e3:.0f} ms;"
            f" the loop's own work between two looks p99 {at(work, 0.99) * 1e3:.1f} ms, worst {max(work) * 1e3:.0f} ms"
        )


def tell_calls(seen: dict[str, Any], poll: float, left: int) -> None:
    """Print what was asked for, what it took, and how the runs ended."""
    wide = seen["plateau"]
    print(
        f"  (reach p99 {REACH * 1e3:.0f} ms; a look each {poll:g} s) all: {seen['took']:.0f} s, {seen['cpu']:.1f} CPU s,"
        f" {seen['threads']} threads, {sum(seen['calls'].values())} requests: {dict(seen['calls'])}"
    )
    if wide is not None:
        print(
            f"  all at work: {wide['calls']:.1f} requests a minute and run, {wide['second']:.0f} a second,"
            f" {wide['cpu'] * 100:.0f} % of a core"
        )
    print(f"  ends: {dict(seen['ends'])}; drivers left to their tasks: {left}")


def main() -> None:
    """Read the arguments and run."""
    arguments = read_arguments(__doc__)
    logging.disable(logging.INFO)
    with kubernetes(arguments.seconds) as there:
        if "missing" in there:
            print(there["missing"])
            return
        seen = asyncio.run(measure(wanted(there, arguments.poll), arguments.runs, arguments.poll))
    tell(seen, {"floor": "the idle loop", "late": f"{arguments.runs} runs"})
    tell_calls(seen, arguments.poll, there["left"])
    if seen["ends"] != {"ok": arguments.runs} or there["left"] != arguments.runs:
        raise SystemExit("not every run has succeeded by one driver")


if __name__ == "__main__":
    main()
