# SPDX-License-Identifier: Apache-2.0
"""The parent's side of a job's process: start it, follow it, stop it, and read what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow_dataops.clients import limits
from airflow_dataops.clients.child import Follower, end
from airflow_dataops.clients.store_environment import StoreAccess, access_of
from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.job_outcome import Ended, read_outcome
from airflow_dataops.core.tables import JobSpec

OnLine = Callable[[str, str], None]

_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
# What a program needs to find its libraries, time zone and certificates. Airflow's own settings and all else that may hold a secret
# stay behind: a job gets its secrets by name.
_KEPT = (
    "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR", "SSL_CERT_FILE", "TEMP", "TMP", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV",
)  # fmt: skip


class JobProcess:
    """One job in a process of its own, in its own session, with a clean environment.

    Args:
        stem: ``airflow_dataops.jobs.<stem>`` is what runs.
        module: Another module that speaks the protocol of :mod:`airflow_dataops.jobs.process`, by its full name.
    """

    def __init__(self, stem: str, *, module: str | None = None) -> None:
        self._module = module or f"airflow_dataops.jobs.{stem}"
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Process id of the child; None before its start."""
        return self._process.pid if self._process else None

    def run(
        self,
        spec: JobSpec,
        secrets: Mapping[str, str],
        *,
        on_line: OnLine,
        timeout: float | None = None,
        wanted: Callable[[], bool] | None = None,
        store: StoreAccess | None = None,
    ) -> dict[str, Any]:
        """Run the job to its end.

        The calling thread must outlive the job: on Linux a child dies with the thread that started it.

        Args:
            spec: What to do.
            secrets: Reference -> value; they go through the pipe only.
            on_line: Called with ``(level, text)`` for each line that the job logs, while it runs, in the calling thread.
            timeout: Seconds after which it is stopped.
            wanted: Asked several times a second; once it says no, the job is stopped.
            store: How S3 is reached, where the job has an address there; None for as this process's environment says.

        Returns:
            The job's result document, also one of a check that failed.

        Raises:
            DataOpsError: The error that the job reported; or ``OUT_OF_MEMORY``, ``JOB_CRASHED``, ``JOB_GARBAGE``.
            TransientError: It was stopped (``JOB_STOPPED``), killed from outside (``JOB_KILLED``), ran out of time (``JOB_TIMEOUT``), or
                is not wanted any more (``JOB_ABANDONED``).
        """
        if self._stopped:
            raise _stopped()
        kills = limits.oom_kills()
        access = access_of(spec, os.environ, store)
        envelope = {
            "spec": spec.model_dump(mode="json"),
            "secrets": {**access.secrets, **secrets},
            "environment": access.environment,
            "hold": True,
        }
        process = self._process = self._spawn()

        def take(line: str) -> str:
            level, text = split_level(line)
            on_line(level, text)
            return text

        follower = Follower(process, json.dumps(envelope).encode() + b"\n", take)
        try:
            follower.follow(timeout, wanted)
        finally:
            end(process)  # it has ended, or its time was up, or on_line, a signal, or the task's own time-out raised
            follower.close()
        if self._stopped:
            raise _stopped()
        return read_outcome(_ended(process, follower, spec, kills))

    def stop(self) -> None:
        """End the job at once: ask it, and after 5 seconds kill it and all that it has started."""
        self._stopped = True
        if self._process is not None:
            end(self._process)

    def _spawn(self) -> subprocess.Popen[bytes]:
        # -P: a file of the working directory must not shadow a library
        return subprocess.Popen(  # noqa: S603 - the module's name is ours
            [sys.executable, "-P", "-m", self._module, "--spec", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=clean_environment(os.environ),
        )


def run_job(
    stem: str, spec: JobSpec, secrets: Mapping[str, str], *, on_line: OnLine, timeout: float | None = None
) -> dict[str, Any]:
    """Run a job in a process of its own; see :meth:`JobProcess.run`."""
    return JobProcess(stem).run(spec, secrets, on_line=on_line, timeout=timeout)


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment a job gets, plus the path by which this package is found."""
    package = str(Path(__file__).resolve().parents[2])
    path = [package, *(p for p in environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != package)]
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "PYTHONIOENCODING": "utf-8"}


def split_level(line: str) -> tuple[str, str]:
    """Return level and text of a log line; what a library printed by itself has no level and is ``INFO``."""
    level, _, text = line.partition(" ")
    return (level, text) if level in _LEVELS else ("INFO", line)


def _stopped() -> TransientError:
    # What stopped it may be a worker that shuts down: another one can do the work.
    return TransientError("the job was stopped before it was done", code="JOB_STOPPED")


def _ended(process: subprocess.Popen[bytes], follower: Follower, spec: JobSpec, kills: int | None) -> Ended:
    now = limits.oom_kills()
    return Ended(
        code=process.returncode,
        stdout=bytes(follower.document),
        last_lines=list(follower.last_lines),
        out_of_memory=None if kills is None or now is None else now > kills,
        memory_limit=limits.memory_limit(),
        memory_asked=spec.resources.memory_bytes,
    )


__all__ = ["JobProcess", "clean_environment", "run_job", "split_level"]
