# SPDX-License-Identifier: Apache-2.0
"""A whole Airflow of a test's own as processes on loopback: an Airflow 3; ``stack2`` has an Airflow 2."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import psutil

from tests.services.ports import free_port

_PR_SET_CHILD_SUBREAPER = 36
PARTS = {
    "api-server": ["api-server", "--host", "127.0.0.1", "--workers", "1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}


# Of every Airflow here. Where a machine is so busy that a scheduler or a supervisor is silent for seconds, or the API server does not answer
# for seconds, an Airflow of less patience takes its own tasks for lost, and begins them anew; see Airflow.missed() for deaths by a silence.
COMMON = {
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__PARALLELISM": "4",
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "CORE__FERNET_KEY": "c2VjcmV0LW9mLXRoZS10ZXN0cy1vbmx5LTMyLWJ5dGU=",
    "USAGE_DATA_COLLECTION__ENABLED": "False",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "600",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "600",
    "WORKERS__EXECUTION_API_TIMEOUT": "120",
    "WORKERS__MAX_FAILED_HEARTBEATS": "100",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "2",
    "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
}


def wait_for(what: str, look: Callable[[], Any], seconds: float = 400.0) -> Any:
    """Return the first true value of ``look``, asked five times a second."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


class Stack:
    """Processes of an Airflow.

    Args:
        home: An empty folder; its ``dags`` is Airflow's DAG folder.
        environment: Variables that all parts get besides.
    """

    parts_of: ClassVar[Mapping[str, Sequence[str]]]

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self._others = set(psutil.Process().children(recursive=True))
        base = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        # Airflow 2's executor calls `airflow` as it finds it.
        path = {"PATH": f"{Path(sys.executable).parent}:{base['PATH']}"}
        self.environment = base | path | self._settings() | dict(environment)

    def start(self) -> None:
        """Make the database and start every part."""
        # Whoever loses its parent becomes our child, so that nothing is left behind and nothing of others is touched.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._airflow("db", "migrate").wait()
        for name in self.parts_of:
            self.start_part(name)

    def start_part(self, name: str) -> None:
        """Start one part."""
        self.parts[name] = self._airflow(*self.parts_of[name])

    def kill_part(self, name: str) -> None:
        """Kill one part as a power cut would: the process alone, its children stay."""
        part = self.parts.pop(name)
        part.kill()
        part.wait()

    def stop_part(self, name: str) -> None:
        """End one part as whoever installs a newer one does; returns when it has ended."""
        part = self.parts.pop(name)
        part.terminate()
        part.wait()

    def all_run(self) -> None:
        """Raise with what it said where a part has ended by itself."""
        for name, part in self.parts.items():
            if part.poll() is not None:
                raise AssertionError(f"{name} has ended: {(self.home / f'{name}.out').read_text()[-2000:]}")

    def stop(self) -> None:
        """End everything that was started here, orphans included."""
        for part in self.parts.values():
            part.terminate()
        # The scheduler waits for its tasks; there is nothing to wait for any more.
        psutil.wait_procs(self.processes(), timeout=3)
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(self.processes(), timeout=5)
        for part in self.parts.values():
            part.wait()
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def processes(self) -> list[psutil.Process]:
        """Return all processes that descend from the test's, without those that were there before, as multiprocessing's servers."""
        return [process for process in psutil.Process().children(recursive=True) if process not in self._others]

    def commands(self) -> list[str]:
        """Return the command line of each process that runs."""
        found = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):  # a zombie is none, either
                found.append(" ".join(process.cmdline()))
        return found

    def _airflow(self, *words: str) -> subprocess.Popen[bytes]:
        return self._python(words[0], "-m", "airflow", *words)

    def _python(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.out").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, *words],
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def _settings(self) -> dict[str, str]:
        settings = {**COMMON, **self._own_settings()}
        # SQLite lets one write at a time; whoever has it may be a process that the machine lets wait.
        settings["DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{self.home}/airflow.db?timeout=60"
        settings["CORE__DAGS_FOLDER"] = f"{self.home}/dags"
        return {"AIRFLOW_HOME": str(self.home), **{f"AIRFLOW__{name}": value for name, value in settings.items()}}

    def _own_settings(self) -> dict[str, str]:
        raise NotImplementedError


class Airflow(Stack):
    """The processes of an Airflow 3, and their API."""

    parts_of = PARTS

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._token = ""
        super().__init__(home, environment)

    def start(self, seconds: float = 400.0) -> None:
        """Make the database and start every part; returns when the API answers, which takes at most so many seconds from there."""
        super().start()
        wait_for("the API server", self._answers, seconds)
        with urllib.request.urlopen(f"{self.url}/auth/token") as answer:
            self._token = json.load(answer)["access_token"]

    def start_part(self, name: str) -> None:
        """Start one part."""
        port = ["--port", str(self.port)] if name == "api-server" else []
        self.parts[name] = self._airflow(*PARTS[name], *port)

    def has(self, dag: str) -> bool:
        """Tell whether a DAG is known; none may be broken."""
        assert self.call("GET", "importErrors")["import_errors"] == []
        return any(one["dag_id"] == dag for one in self.call("GET", f"dags?dag_id_pattern={dag}")["dags"])

    def trigger(self, dag: str, run: str) -> None:
        """Start a run."""
        self.call("POST", f"dags/{dag}/dagRuns", {"dag_run_id": run, "logical_date": None})

    def mark_failed(self, dag: str, run: str, task: str) -> None:
        """Mark a task as failed, as a person does."""
        self.call("PATCH", f"dags/{dag}/dagRuns/{run}/taskInstances/{task}", {"new_state": "failed"})

    def clear(self, dag: str, run: str, task: str) -> None:
        """Clear a task, as a person does."""
        again = {"dry_run": False, "dag_run_id": run, "task_ids": [task], "only_failed": False}
        self.call("POST", f"dags/{dag}/clearTaskInstances", again)

    def task_state(self, dag: str, run: str, task: str) -> str:
        """Return a task's state."""
        return str(self.task(dag, run, task)["state"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the REST API and return the JSON of its answer; what meets a busy database is asked again.

        A call that changes something is, too, where the database refused it: nothing of it was kept.
        """
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        for left in reversed(range(5)):
            try:
                with urllib.request.urlopen(request, timeout=120) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                said = error.read()
                again = error.code >= 500 and (method == "GET" or b"Database error" in said)
                if not (again and left):
                    raise AssertionError(f"{method} {path}: {error.code} {said[:500]!r}") from None
                time.sleep(1)
        raise AssertionError(f"{method} {path}: no answer")

    def state(self, dag: str, run: str) -> str:
        """Return a run's state."""
        return str(self.call("GET", f"dags/{dag}/dagRuns/{run}")["state"])

    def task(self, dag: str, run: str, task: str) -> dict[str, Any]:
        """Return a task of a run."""
        return dict(self.call("GET", f"dags/{dag}/dagRuns/{run}/taskInstances/{task}"))

    def health(self, part: str) -> str:
        """Return what the API server knows of a part."""
        return str(self.call("GET", "monitor/health")[part]["status"])

    def missed(self, task: tuple[str, str, str] | None = None) -> None:
        """Let Airflow have heard nothing for an hour of a task's supervisor, or of its schedulers: what it knows of their last sign is set back."""
        ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
        if task is None:
            change = "UPDATE job SET latest_heartbeat = ? WHERE job_type = 'SchedulerJob' AND state = 'running'"
        else:
            change = "UPDATE task_instance SET last_heartbeat_at = ? WHERE dag_id = ? AND run_id = ? AND task_id = ?"
        with closing(sqlite3.connect(f"{self.home}/airflow.db", timeout=120)) as database, database:
            assert database.execute(change, (ago, *(task or ()))).rowcount == 1

    def _answers(self) -> bool:
        self.all_run()
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/api/v2/monitor/health", timeout=30) as answer:
            return bool(answer.status == 200)
        return False

    def _own_settings(self) -> dict[str, str]:
        return {
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "API__BASE_URL": self.url,
            "API__SECRET_KEY": secrets.token_urlsafe(48),
            "API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        }


def alive(process: int) -> bool:
    """Whether a process runs; a zombie does not."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    return False
