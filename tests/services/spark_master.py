# SPDX-License-Identifier: Apache-2.0
"""A real Spark master and its workers, as processes."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services.maven import java_home
from tests.services.ports import free_port
from tests.services.processes import Keeper

_LIGHT = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


@contextmanager
def spark_master(
    home: Path, folder: Path, *, cores: int = 1, memory: str = "1g", hosts: Sequence[str] = ("127.0.0.1",)
) -> Iterator[str]:
    """Start them, and give the master's address.

    Args:
        home: Spark's folder.
        folder: For their files.
        cores: What a worker lends.
        memory: The same.
        hosts: One worker on each; Spark makes no copy of a slow task on the host where it is slow.

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
    work = ["--cores", str(cores), "--memory", memory, "--work-dir", str(folder / "work")]
    # What Spark's own start scripts say: which Scala its jars are made for.
    scala = next(home.glob("jars/spark-core_*.jar")).name.split("_")[1].split("-")[0]
    env = {**os.environ, "SPARK_HOME": str(home), "SPARK_SCALA_VERSION": scala}
    keeper = Keeper()
    try:
        keeper.start([*java, *master], output=folder / "master.log", cwd=folder, env=env)
        for number, host in enumerate(hosts):
            where = ["--host", host, "--webui-port", str(free_port())]
            worker = ["org.apache.spark.deploy.worker.Worker", address, *where, *work]
            keeper.start([*java, *worker], output=folder / f"worker-{number}.log", cwd=folder, env=env)
        _wait(f"http://127.0.0.1:{page}/json/", folder, len(hosts))
        yield address
    finally:
        keeper.close()


def _wait(page: str, folder: Path, workers: int, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(page, timeout=5) as answer:
                if json.load(answer)["aliveworkers"] == workers:
                    return
        except (OSError, ValueError):
            pass
        time.sleep(0.2)
    raise RuntimeError("\n".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.log")))
