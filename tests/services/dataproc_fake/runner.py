# SPDX-License-Identifier: Apache-2.0
"""Runs submitted jobs as real processes: their files come from the buckets, their output goes there."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.services.dataproc_fake import nodes, passing
from tests.services.dataproc_fake.nodes import Nodes
from tests.services.dataproc_fake.objects import Objects
from tests.services.dataproc_fake.output import Output
from tests.services.dataproc_fake.records import Job, turn
from tests.services.dataproc_fake.world import World
from tests.services.processes import Keeper, Process

_LOOK, _SPEAKS = 0.03, 120.0


class Runner:
    """Starts jobs and follows each one in a thread of its own.

    Args:
        folder: Where jobs and machines have their files.
        python: The interpreter that jobs run with.
    """

    def __init__(
        self, world: World, objects: Objects, keeper: Keeper, folder: Path, python: str = sys.executable
    ) -> None:
        self.world, self.objects, self.keeper, self.folder, self.python = world, objects, keeper, folder, python
        self._nodes: dict[str, Nodes] = {}
        self._imitated: dict[str, tuple[Job, float]] = {}
        self._writers = ThreadPoolExecutor(4)
        self._making = threading.Lock()
        for job in [one for one in world.jobs.values() if one.ended is None]:
            foreign = job.cluster not in world.clusters
            if not foreign:
                passing.end_job(world, job, "ERROR", "the machine that the driver ran on was lost")

    def start(self, job: Job) -> None:
        """Begin to run a job."""
        imitated = self.world.timing_of(job.project).imitated
        if imitated:
            turn(job.body, "RUNNING", self.world.now(job.project))
            self._imitated[job.key] = (job, self.world.now(job.project) + imitated)
            self.world.save(job)
            return
        threading.Thread(target=self._run, args=(job,), name=f"job {job.id}", daemon=True).start()

    def nodes_of(self, cluster: str) -> Nodes | None:
        """Return the machines of a cluster; None where it has none yet."""
        return self._nodes.get(cluster)

    def sweep(self) -> None:
        """End the machines of clusters that are gone, and the jobs that only seem to run."""
        for key, (job, due) in list(self._imitated.items()):
            if job.ended is not None or job.cancelled or self.world.now(job.project) >= due:
                del self._imitated[key]
                self._writers.submit(self._imitate_end, job)
        for uuid in list(self._nodes):
            cluster = self.world.clusters[uuid]
            if cluster.gone is not None:
                self._nodes.pop(uuid).end()

    def _imitate_end(self, job: Job) -> None:
        told = dict(zip(job.body.pyspark_job.args[::2], job.body.pyspark_job.args[1::2], strict=False))
        if job.ended is None and not job.cancelled and "--spec" in told:
            folder = f"{told['--spec'].rpartition('/')[0]}/{job.id}"
            self.objects.write(f"{folder}/result.json", b'{"schema_version": 1, "ok": true, "result": null}')
        with self.world.lock:
            passing.end_job(self.world, job, "CANCELLED" if job.cancelled else "DONE")

    def _run(self, job: Job) -> None:
        try:
            process, output = self._launch(job)
        except (OSError, RuntimeError) as error:
            with self.world.lock:
                passing.end_job(self.world, job, "ERROR", f"the driver could not be started: {error}")
            return
        try:
            self._follow(job, process, output)
        except Exception:  # noqa: BLE001
            traceback.print_exc()
        finally:
            process.signal(signal.SIGKILL)

    def _launch(self, job: Job) -> tuple[Process, Output]:
        folder = self.folder / "jobs" / job.body.job_uuid
        folder.mkdir(parents=True)
        driver = job.body.pyspark_job
        timing = self.world.timing_of(job.project)
        main = self._fetch(driver.main_python_file_uri, folder)
        paths = [str(folder)]
        for uri in driver.python_file_uris:
            path = self._fetch(uri, folder)
            paths += [] if path.suffix == ".py" else [str(path)]
        for uri in (*driver.file_uris, *driver.archive_uris):
            self._fetch(uri, folder)
        env = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTEST"))}
        env |= {
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "DATAPROC_CLUSTER_NAME": job.body.placement.cluster_name,
        }
        if self.objects.url:
            env["STORAGE_EMULATOR_HOST"] = self.objects.url
        if timing.dask_workers:
            env["DATAOPS_DASK_SCHEDULER"] = self._machines(job, timing.dask_workers).address
        with self.world.lock:
            if job.ended is None and not job.cancelled:
                turn(job.body, "SETUP_DONE", self.world.now(job.project))
                self.world.save(job)
        log = folder / "driver.log"
        process = self.keeper.start([self.python, str(main), *driver.args], output=log, env=env, cwd=folder)
        uri = job.body.driver_output_resource_uri
        missing, rotated = job.fate.get("log") == "missing", job.fate.get("log") == "rotated"
        part = int(job.fate["bytes"]) if rotated else timing.log_part_bytes
        return process, Output(self.objects, log, uri, part, timing.log_flush, missing=missing, loses_first=rotated)

    def _follow(self, job: Job, process: Process, output: Output) -> None:
        world, told, mishap = self.world, 0.0, _Mishap(job, output)
        with world.lock:
            if job.ended is None and not job.cancelled:
                turn(job.body, "RUNNING", world.now(job.project))
                world.save(job)
        while process.poll() is None:
            output.pump()
            if mishap.is_due():
                self._strike(job, process)
            if job.ended is not None:
                return
            if job.cancelled and not job.fate.get("cancel_stuck"):
                told = told or self._tell(job, process)
                if time.monotonic() - told >= world.timing_of(job.project).cancel_grace:
                    process.signal(signal.SIGKILL)
            process.wait(_LOOK)
        output.pump(last=True)
        code = process.poll()
        if job.fate.get("cancel_stuck"):
            return
        with world.lock:
            if job.cancelled:
                passing.end_job(world, job, "CANCELLED", "the job was cancelled")
            elif code == 0:
                passing.end_job(world, job, "DONE")
            else:
                log = job.body.driver_output_resource_uri
                passing.end_job(
                    world, job, "ERROR", f"Job failed with message [exit code {code}]. Driver output: {log}"
                )

    def _tell(self, job: Job, process: Process) -> float:
        with self.world.lock:
            if job.ended is None:
                turn(job.body, "CANCEL_STARTED", self.world.now(job.project))
                self.world.save(job)
        process.signal(signal.SIGTERM)
        return time.monotonic()

    def _strike(self, job: Job, process: Process) -> None:
        what, machines = job.fate["kill"], self._nodes.get(job.cluster)
        if what == "driver":
            process.signal(signal.SIGKILL)
        elif what == "stop":
            process.signal(signal.SIGSTOP)
        elif what == "workers" and machines is not None:
            machines.kill_workers()
        elif what == "scheduler" and machines is not None:
            machines.kill_scheduler()
        elif what == "ttl":
            with self.world.lock:
                ends = passing.expiry(self.world.clusters[job.cluster], self.world.timing_of(job.project).ttl_divisor)
                if ends is not None:
                    self.world.set_clock(job.project, advance=max(0.0, ends - self.world.now(job.project)))

    def _machines(self, job: Job, workers: int) -> Nodes:
        with self._making:
            if job.cluster not in self._nodes:
                self._nodes[job.cluster] = nodes.start(self.keeper, self.folder / "nodes" / job.cluster, workers)
        self._nodes[job.cluster].wait()
        return self._nodes[job.cluster]

    def _fetch(self, uri: str, folder: Path) -> Path:
        path = folder / uri.rpartition("/")[2]
        path.write_bytes(self.objects.read(uri))
        return path


class _Mishap:
    """What is to happen to a job, once, so many seconds after its driver has said something."""

    def __init__(self, job: Job, output: Output) -> None:
        self._fate, self._output = job.fate, output
        self._began = None if self._fate.get("when") else time.monotonic() + _SPEAKS
        self._over = "kill" not in self._fate

    def is_due(self) -> bool:
        """Tell whether it is time; True once."""
        if self._over:
            return False
        now = time.monotonic()
        if (self._began is None or self._began > now) and self._output.has(self._fate["when"]):
            self._began = now
        self._over = self._began is not None and now - self._began >= float(self._fate["after"])
        return self._over
