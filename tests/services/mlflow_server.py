# SPDX-License-Identifier: Apache-2.0
"""A real MLflow tracking server, in an environment of its own."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services.ports import free_port
from tests.services.processes import Keeper

_VENVS = Path.home() / ".cache/airflow-dataops/venvs"
HOW_TO_GET_IT = "no MLflow server: tools/mlflow_env.sh"


def python_with_mlflow() -> str:
    """Return the Python of the environment that has MLflow; without one the test is skipped."""
    found = sorted(_VENVS.glob("mlflow-*/.stamp"))
    if not found:
        pytest.skip(HOW_TO_GET_IT)
    return str(found[-1].parent / "bin/python")


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Run a server, and give its address.

    Args:
        folder: Where it keeps its database.
    """
    port = free_port()
    command = [
        *(python_with_mlflow(), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *(
            "--backend-store-uri",
            f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination",
            str(folder),
            "--workers",
            "1",
        ),
    ]
    keeper = Keeper()
    try:
        env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # four processes less
        keeper.start(command, output=folder / "server.log", env=env, cwd=folder)
        _wait(f"http://127.0.0.1:{port}/health", folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        keeper.close()


def _wait(address: str, log: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        if time.monotonic() > end:
            raise RuntimeError(f"MLflow is not ready after {seconds} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)
