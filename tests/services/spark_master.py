# SPDX-License-Identifier: Apache-2.0
"""A real Spark master and one worker, as processes."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.maven import java_home
from tests.services.ports import free_port
from tests.services.processes import Keeper

_LIGHT = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


@contextmanager
def spark_master(home: Path, folder: Path, *, cores: int = 1, memory: str = "1g") -> Iterator[str]:
    """Start them, and give the master's address.

    Args:
        home: Spark's folder.
        folder: For their files.
        cores: What the worker lends.
        memory: The same.

    Raises:
        RuntimeError: They do not start.
    """
    port, page = free_port(), free_port()
    java = [f"{java_home()}/bin/java", *_LIGHT, "-cp", f"{home}/jars/*"]
    address = f"spark://127.0.0.1:{port}"
    master = [
        "org.apache.spark.deploy.master.Master",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--webui-port",
        str(page),
    ]
    worker = ["org.apache.spark.deploy.worker.Worker", address, "--host", "127.0.0.1", "--webui-port", str(free_port())]
    worker += ["--cores", str(cores), "--memory", memory, "--work-dir", str(folder / "work")]
    # What Spark's own start scripts say: which Scala its jars are made for.
    scala = next(home.glob("jars/spark-core_*.jar")).name.split("_")[1].split("-")[0]
    env = {**os.environ, "SPARK_HOME": str(home), "SPARK_SCALA_VERSION": scala}
    keeper = Keeper()
    try:
        for name, words in (("master", master), ("worker", worker)):
            keeper.start([*java, *words], output=folder / f"{name}.log", cwd=folder, env=env)
        _wait(f"http://127.0.0.1:{page}/json/", folder)
        yield address
    finally:
        keeper.close()


def _wait(page: str, folder: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(page, timeout=5) as answer:
                if json.load(answer)["aliveworkers"]:
                    return
        except (OSError, ValueError):
            pass
        time.sleep(0.2)
    raise RuntimeError("\n".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.log")))
