# SPDX-License-Identifier: Apache-2.0
"""The driver as on a cluster: a scheduler and workers as the units start them, the document and all files in a real GCS server."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.job_files import JobFiles
from airflow_dataops.core.dataproc_dask.document import JobDocument, digest, encode
from airflow_dataops.core.errors import InputError
from tests.services.fixtures import gcs
from tests.services.gcs_server import GcsServer
from tests.services.ports import free_port
from tests.unit.jobs.dask_samples import FUNCTIONS

__all__ = ["gcs"]
pytest.importorskip("google.cloud.storage", reason="needs google-cloud-storage: pip install 'airflow-dataops[gcp]'")
pytestmark = [pytest.mark.integration]


class Dask:
    """A scheduler and workers in processes of their own, as on the nodes."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = self._start(
            "scheduler", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0", "--no-show"
        )
        self.workers = [
            self._start(
                "worker",
                self.address,
                "--nworkers",
                "1",
                "--nthreads",
                "1",
                "--memory-limit",
                "300MB",
                "--no-dashboard",
                name=f"worker-{n}",
            )
            for n in range(workers)
        ]

    def _start(self, kind: str, *options: str, name: str = "scheduler") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options, "--host", "127.0.0.1"]
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self) -> None:
        for process in [*self.workers, self.scheduler]:
            stop(process)

    def lose_workers(self) -> None:
        for process in self.workers:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, 9)
    process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    cluster = Dask(tmp_path_factory.mktemp("dask"), 2)
    yield cluster
    cluster.stop()


@pytest.fixture
def own_dask(tmp_path: Path) -> Iterator[Dask]:
    """One that a test may break."""
    cluster = Dask(tmp_path, 1)
    yield cluster
    cluster.stop()


class Bucket:
    """A bucket with the functions' code, and the executions of documents in it."""

    def __init__(self, server: GcsServer, folder: Path) -> None:
        self.uri, self.files, self.folder = f"gs://{server.bucket()}", JobFiles(), folder
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("functions.py", FUNCTIONS)
            archive.writestr("extra.py", "WHO = 'from the bucket'")
        self.files.write(f"{self.uri}/code/abc.zip", packed.getvalue())

    def run(self, dask: Dask, function: str, **document: Any) -> Execution:
        usual = {"heartbeat": 1, "close": 60, "wait_for_workers": 100, "code": [f"{self.uri}/code/abc.zip"]}
        data = encode(JobDocument.model_validate({**usual, "function": f"functions:{function}", **document}))
        spec = f"{self.uri}/dataops/dask/job.json"
        self.files.write(spec, data)
        log = self.folder / "driver.log"
        arguments = ["--spec", spec, "--sha256", digest(data), "--job-id", "dd-x1"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow_dataops.jobs.dask_driver", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, "DATAOPS_DASK_SCHEDULER": dask.address},
            )
        return Execution(self.files, f"{self.uri}/dataops/dask/dd-x1", process, log)


class Execution:
    def __init__(self, files: JobFiles, folder: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.files, self.folder, self.process, self.log = files, folder, process, log

    def works(self) -> None:
        wait_until(lambda: "waiting" in self.log.read_text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def end(self) -> dict[str, Any]:
        try:
            self.process.wait(300)
        finally:
            self.process.kill()
        try:
            found: dict[str, Any] = json.loads(self.files.read(f"{self.folder}/result.json"))
        except InputError:
            pytest.fail(self.log.read_text())
        return found


def wait_until(true: Callable[[], object], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def bucket(gcs: GcsServer, tmp_path: Path) -> Bucket:
    return Bucket(gcs, tmp_path)


def test_a_whole_run_leaves_result_heartbeat_and_report_in_the_bucket(bucket: Bucket, dask: Dask) -> None:
    run = bucket.run(dask, "total", args={"n": 100}, at_least=2)
    found = run.end()
    assert (found["ok"], found["result"], run.process.returncode) == (True, {"sum": 9900}, 0)
    assert found["workers"]["start"] == 2
    assert "at" in json.loads(bucket.files.read(f"{run.folder}/heartbeat.json"))
    assert b"bokeh" in bucket.files.read(f"{run.folder}/report.html")


def test_code_from_the_bucket_reaches_the_workers(bucket: Bucket, dask: Dask) -> None:
    assert bucket.run(dask, "uses_code").end()["result"] == ["from the bucket"] * 2


def test_the_first_result_of_an_execution_stays(bucket: Bucket, dask: Dask) -> None:
    bucket.files.write(f"{bucket.uri}/dataops/dask/dd-x1/result.json", b'{"ok": true, "result": "first"}')
    run = bucket.run(dask, "boom")
    assert run.end()["result"] == "first"
    assert run.process.returncode == 1


def test_a_document_that_was_changed_in_the_bucket_is_not_run(bucket: Bucket, dask: Dask) -> None:
    run = bucket.run(dask, "total", args={"n": 1})
    stop_at_once = run.process
    stop_at_once.kill()
    stop_at_once.wait()
    spec = f"{bucket.uri}/dataops/dask/job.json"
    arguments = ["--spec", spec, "--sha256", "0" * 64, "--job-id", "dd-x2"]
    command = [sys.executable, "-m", "airflow_dataops.jobs.dask_driver", *arguments]
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 1
    assert json.loads(bucket.files.read(f"{bucket.uri}/dataops/dask/dd-x2/result.json"))["code"] == "DOCUMENT_CHANGED"


def test_fewer_workers_than_needed_is_said_with_the_numbers(bucket: Bucket, dask: Dask) -> None:
    found = bucket.run(dask, "total", args={"n": 1}, at_least=3, wait_for_workers=3).end()
    assert (found["code"], found["message"]) == ("NO_WORKERS", "2 of 3 Dask workers came within 3 s")


def test_no_scheduler_is_said_with_its_address(bucket: Bucket, dask: Dask, tmp_path: Path) -> None:
    class Nowhere:
        address = f"tcp://127.0.0.1:{free_port()}"

    found = bucket.run(Nowhere(), "total", args={"n": 1}, wait_for_workers=2).end()  # type: ignore[arg-type]
    assert found["code"] == "NO_SCHEDULER"
    assert Nowhere.address in found["message"]


def test_all_workers_lost_ends_the_work_instead_of_waiting_for_ever(bucket: Bucket, own_dask: Dask) -> None:
    run = bucket.run(own_dask, "wait_for_dask", no_workers_timeout=3)
    run.works()
    own_dask.lose_workers()
    assert (run.end()["code"], run.process.returncode) == ("NO_WORKERS", 1)


def test_workers_lost_ends_a_function_that_does_not_wait_for_dask(bucket: Bucket, own_dask: Dask) -> None:
    run = bucket.run(own_dask, "wait", no_workers_timeout=3)
    run.works()
    own_dask.lose_workers()
    assert (run.end()["code"], run.process.returncode) == ("NO_WORKERS", 1)


@pytest.mark.parametrize("function", ["wait", "wait_for_dask"])
def test_a_lost_scheduler_ends_the_work(bucket: Bucket, own_dask: Dask, function: str) -> None:
    run = bucket.run(own_dask, function)
    run.works()
    stop(own_dask.scheduler)
    assert (run.end()["code"], run.process.returncode) == ("SCHEDULER_LOST", 1)
