# SPDX-License-Identifier: Apache-2.0
"""spark-submit on this machine: mode ``standalone``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from airflow_dataops.clients.child import Follower, end
from airflow_dataops.clients.job_process import clean_environment
from airflow_dataops.core.errors import MissingDependency, TransientError

LARGEST_RESULT = 4096  # as of a termination message
_REMEMBERED = 400
# Where Spark, Java and Hadoop are, and which Python they start.
_KEPT = (
    "HADOOP_CONF_DIR",
    "HADOOP_HOME",
    "JAVA_HOME",
    "PYSPARK_DRIVER_PYTHON",
    "PYSPARK_PYTHON",
    "SPARK_CONF_DIR",
    "SPARK_HOME",
)


@dataclass(frozen=True)
class Submitted:
    """How a command ended.

    Attributes:
        exit_code: As a shell says it; None where it was ended because its time was over.
        stopped: It was stopped by :meth:`SubmitProcess.stop`, or never started for that.
        tail: The end of its log.
        result: What the program left in the file of ``DATAOPS_RESULT``.
        seconds: From its start to its end.
    """

    exit_code: int | None
    tail: str = ""
    result: str = ""
    seconds: float = 0.0
    stopped: bool = False


def find_spark_submit(environ: Mapping[str, str]) -> str:
    """Return the path of spark-submit: of ``SPARK_HOME``, else of ``PATH``.

    Raises:
        MissingDependency: There is none.
    """
    home = environ.get("SPARK_HOME")
    found = shutil.which("spark-submit", path=f"{home}/bin" if home else environ.get("PATH"))
    if found is None:
        raise MissingDependency(
            f"there is no spark-submit on this worker ({f'{home}/bin' if home else 'PATH'})",
            hint="set SPARK_HOME and install Java, or pip install pyspark of the cluster's version; mode direct needs neither",
        )
    return found


class SubmitProcess:
    """One spark-submit in client mode, so the driver is a child of this process and dies with it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(
        self, argv: list[str], env: Mapping[str, str], *, on_line: Callable[[str], None], timeout: float
    ) -> Submitted:
        """Run the command to its end.

        The calling thread must outlive it: on Linux a child dies with the thread that started it.

        Args:
            argv: The command; it holds no secret, since everybody on the machine can read it.
            env: Variables for the driver, with the secrets; beside them it gets what Spark and Java need to be found.
            on_line: Takes each line of its log, in the calling thread.
            timeout: Seconds after which it is ended.
        """
        if self._stopped:
            return Submitted(None, stopped=True)
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        base = {name: value for name, value in clean_environment(os.environ).items() if name != "PYTHONPATH"}
        with tempfile.TemporaryDirectory(prefix="dataops-") as folder:
            place = Path(folder, "result")
            whole = {"DATAOPS_RESULT": str(place), **base, **kept, **env}
            code, tail, seconds = self._follow(
                json.dumps({"argv": argv, "env": whole}).encode() + b"\n", on_line, timeout
            )
            result = place.read_bytes()[:LARGEST_RESULT].decode(errors="replace") if place.is_file() else ""
        return Submitted(code, tail, result, seconds, self._stopped)

    def stop(self) -> None:
        """End it at once: ask it, and after 5 seconds kill it and all that it has started."""
        self._stopped = True
        if self._process is not None:
            end(self._process)

    def _follow(self, order: bytes, on_line: Callable[[str], None], timeout: float) -> tuple[int | None, str, float]:
        began = time.monotonic()
        process = self._process = self._spawn()

        def take(line: str) -> str:
            on_line(line)
            return line

        follower = Follower(process, order, take, remembered=_REMEMBERED)
        late = False
        try:
            follower.follow(timeout, None)
        except TransientError:
            late = True
        finally:
            end(process)
            follower.close()
        return None if late else process.returncode, "\n".join(follower.last_lines), time.monotonic() - began

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "airflow_dataops.jobs.command"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=clean_environment(os.environ),
        )


__all__ = ["SubmitProcess", "Submitted", "find_spark_submit"]
