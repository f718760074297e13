# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes for ``bench_spark_triggers.py``, a process of its own: ``python benchmarks/kube_world.py SECONDS``.

API server, etcd and garbage collection are real. A node says of each pod at once that it runs, and after SECONDS that it has succeeded; its
log is 2 KiB, all of it there when the pod is. It prints one JSON line, and ends with its stdin.
"""

from __future__ import annotations

import heapq
import itertools
import json
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import urllib3

from tests.services.kube.accounts import Namespace
from tests.services.kube.api import MERGE, STRATEGIC, Api, ApiError
from tests.services.kube.binary import HOW_TO_GET_IT, binary
from tests.services.kube.container import now
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.log_server import LogServer

NODE = "node-1"
CONTAINER = "spark-kubernetes-driver"
LOG, LINE = 2 << 10, 100  # bytes


class Node:
    """Binds each pod, and plays its life.

    Args:
        kube: The control plane.
        seconds: How long each pod runs.
        log: File with what each pod has written.
    """

    def __init__(self, kube: KubeServer, seconds: float, log: Path) -> None:
        self.api, self.seconds = Api(kube, patience=30), seconds
        over = threading.Event()
        over.set()
        container = SimpleNamespace(name=CONTAINER, log=log, restarts=0, ended=over, state={})
        self._pod: Any = SimpleNamespace(every=[container])
        group = "system:nodes"
        pair = kube.authority.server(NODE, f"system:node:{NODE}", group=group, ips=["127.0.0.1"], hosts=[NODE])
        self.logs = LogServer(lambda *_: self._pod, pair, kube.authority.file)
        self._ends: list[tuple[float, int, Mapping[str, Any], str]] = []
        self._known: set[str] = set()
        self._numbers, self._lock = itertools.count(), threading.Lock()
        self._workers = ThreadPoolExecutor(4)

    def start(self) -> None:
        """Register, and look after pods from now on."""
        self.api("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now()}
        status = {
            "conditions": [ready | {"lastTransitionTime": now()}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.logs.port}},
        }
        self.api("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status}, STRATEGIC)
        self.api("PATCH", f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}}, MERGE)
        for work in (self._follow, self._end):
            threading.Thread(target=work, daemon=True).start()

    def _follow(self) -> None:
        """Look after each pod, by a list and a watch; again when that ends."""
        while True:
            listed = self.api("GET", "/api/v1/pods")
            for pod in listed["items"]:
                self._seen(pod)
            try:
                for event in self.api.watch("/api/v1/pods", resourceVersion=listed["metadata"]["resourceVersion"]):
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._seen(event["object"])
            except (urllib3.exceptions.HTTPError, OSError):
                time.sleep(0.2)

    def _seen(self, pod: Mapping[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._known:
            self._known.add(uid)
            self._workers.submit(self._begin, pod)

    def _begin(self, pod: Mapping[str, Any]) -> None:
        meta, began = pod["metadata"], now()
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        try:
            self.api("POST", f"{_place(pod)}/binding", {"metadata": {"name": meta["name"]}, "target": target})
        except ApiError as error:
            print(f"binding {meta['name']}: {error}", file=sys.stderr)
        self._status(pod, "Running", {"running": {"startedAt": began}})
        with self._lock:
            heapq.heappush(self._ends, (time.monotonic() + self.seconds, next(self._numbers), pod, began))

    def _end(self) -> None:
        while True:
            time.sleep(0.05)
            with self._lock:
                over = []
                while self._ends and self._ends[0][0] <= time.monotonic():
                    over.append(heapq.heappop(self._ends))
            for _, _, pod, began in over:
                ended = {"exitCode": 0, "reason": "Completed", "message": '{"rows": 1}', "containerID": "c://1"}
                ended |= {"startedAt": began, "finishedAt": now()}
                self._workers.submit(self._status, pod, "Succeeded", {"terminated": ended})

    def _status(self, pod: Mapping[str, Any], phase: str, state: Mapping[str, Any]) -> None:
        one = {"name": CONTAINER, "ready": True, "restartCount": 0, "image": "i", "imageID": "", "state": state}
        status = {"phase": phase, "containerStatuses": [one | {"containerID": "c://1"}]}
        try:
            self.api("PATCH", f"{_place(pod)}/status", {"status": status}, MERGE)
        except ApiError as error:
            if error.status != 404:
                raise


def _place(pod: Mapping[str, Any]) -> str:
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"


def main() -> None:
    """Serve until stdin ends."""
    program = binary()
    if program is None:
        print(json.dumps({"missing": HOW_TO_GET_IT}), flush=True)
        return
    with KubeServer(program, scheduler=False) as kube:
        log = kube.folder / "pod.log"
        lines = (
            f"{now(micro=True)} line {number:2} of a program {'.' * (LINE - 21)}\n" for number in range(LOG // LINE)
        )
        log.write_text("".join(lines), encoding="utf-8")
        node = Node(kube, float(sys.argv[1]), log)
        node.start()
        namespace = Namespace(kube, node.api)
        config = namespace.kubeconfig().read_text(encoding="utf-8")
        print(json.dumps({"namespace": namespace.name, "kubeconfig": config}), flush=True)
        sys.stdin.read()
        left = len(namespace.api("GET", namespace.path("pods"))["items"])
        print(json.dumps({"left": left}), flush=True)
        node.logs.close()


if __name__ == "__main__":
    main()
