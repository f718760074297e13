# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the kubelet: a Node whose containers are processes. API server, scheduler and garbage collection are real.

As root a container gets an overlay of the host's files with its volumes at their real paths, and its own mounts and host name; it shares
processes and network with the host, and has no cgroup. Otherwise it is a plain process, and paths of volumes that occur in its command
or variables are replaced.

Faults that a test can ask for: an image with ``missing`` in its name; the annotation ``podrunner.test/oom: <container>`` (exit code 137,
``OOMKilled``; a memory limit does the same by measurement); a Secret or ConfigMap that is not there; ``evict``, ``rotate``, ``lose``.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.services.kube.api import MERGE, STRATEGIC, Api, ApiError
from tests.services.kube.container import Image, now
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.log_server import LogServer
from tests.services.kube.pod import Pod, Start
from tests.services.processes import Keeper

ARBITRARY_UID = 1_000_700_000  # as OpenShift gives a namespace
CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "10Gi"}


class PodRunner:
    """One node; ``with PodRunner(kube) as node``.

    Args:
        kube: The control plane.
        node: The node's name.
        images: Pattern of a name -> image; an image that none fits has the host's files and no command.
        isolate: None for: where this process is root.
        capacity: The node's resources.
        backoff: Seconds before the first restart of a container.
        arbitrary_uid: Who runs a container that only says ``runAsNonRoot``.

    Attributes:
        starts: Every start of a container so far.
    """

    def __init__(
        self,
        kube: KubeServer,
        *,
        node: str = "node-1",
        images: Mapping[str, Image] | None = None,
        isolate: bool | None = None,
        capacity: Mapping[str, str] = CAPACITY,
        backoff: float = 1.0,
        arbitrary_uid: int | None = ARBITRARY_UID,
    ) -> None:
        self.kube, self.node, self.images, self.capacity, self.backoff = (
            kube,
            node,
            dict(images or {}),
            capacity,
            backoff,
        )
        self.isolate = os.geteuid() == 0 if isolate is None else isolate
        self.arbitrary_uid = arbitrary_uid
        self.pods: dict[str, Pod] = {}
        self.starts: list[Start] = []
        self.alive = True
        self.api = Api(kube, patience=30)  # as a kubelet, it outlives the API server
        self._lock = threading.Lock()
        self._last_ip = 1

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="pods-", dir=self.kube.folder))
        self.keeper = Keeper()
        pair = self.kube.authority.server(
            self.node, f"system:node:{self.node}", group="system:nodes", ips=["127.0.0.1"], hosts=[self.node]
        )
        self._logs = LogServer(self.find, pair, self.kube.authority.file)
        self._register()
        self._follow(f"spec.nodeName={self.node}", self._mine)
        if not self.kube.scheduler:
            self._follow("spec.nodeName=,status.phase!=Succeeded,status.phase!=Failed", self._bind)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.alive = False
        for pod in list(self.pods.values()):
            pod.grace = 0
            pod.stopping.set()
        self.keeper.close()
        self._logs.close()
        self.api.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def find(self, namespace: str, name: str) -> Pod | None:
        """Return the latest pod of a name; None where the node has none."""
        found = [pod for pod in self.pods.values() if (pod.namespace, pod.name) == (namespace, name)]
        return found[-1] if found else None

    def evict(self, namespace: str, name: str, message: str = "The node was low on resource: memory.") -> None:
        """End a pod as a node does that runs out of something."""
        self._known(namespace, name).fail("Evicted", message)

    def rotate(self, namespace: str, name: str) -> None:
        """Rotate the logs of a pod's containers."""
        for container in self._known(namespace, name).every:
            container.rotate()

    def lose(self, namespace: str, name: str) -> None:
        """End a pod's processes as a node does that loses its power: nobody says how it ended, and the control plane gives the pod up."""
        pod = self._known(namespace, name)
        message = f"Node {self.node} which was running pod {name} is unresponsive"
        pod.fail("NodeLost", message)

    def image(self, name: str) -> Image:
        """Return the image of a name."""
        for pattern, image in self.images.items():
            if fnmatch.fnmatch(name, pattern):
                return image
        return Image(env={"PATH": os.environ["PATH"]})

    def next_ip(self) -> str:
        """Return an address of loopback for a pod: two drivers can listen on the same port."""
        with self._lock:
            self._last_ip += 1
            return f"127.77.{self._last_ip // 250}.{self._last_ip % 250 + 1}"

    def hosts(self, pod: Pod) -> str:
        """Return ``/etc/hosts`` of a pod, with the headless Services of its namespace as they are now: there is no DNS."""
        lines = ["127.0.0.1 localhost kubernetes.default.svc", f"{pod.ip} {pod.name}"]
        place = f"/api/v1/namespaces/{pod.namespace}"
        services = [
            one for one in self.api("GET", f"{place}/services")["items"] if one["spec"].get("clusterIP") == "None"
        ]
        others = self.api("GET", f"{place}/pods")["items"] if services else []
        for service in services:
            name, selector = service["metadata"]["name"], service["spec"].get("selector") or {}
            for other in others:
                ip = other.get("status", {}).get("podIP")
                if selector and ip and selector.items() <= other["metadata"].get("labels", {}).items():
                    full = f"{name}.{pod.namespace}"
                    lines.append(f"{ip} {name} {full} {full}.svc {full}.svc.cluster.local")
        return "\n".join(lines) + "\n"

    def _known(self, namespace: str, name: str) -> Pod:
        pod = self.find(namespace, name)
        if pod is None:
            raise LookupError(f"{namespace}/{name} does not run on {self.node}")
        return pod

    def _register(self) -> None:
        labels = {"kubernetes.io/hostname": self.node, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        try:
            self.api("POST", "/api/v1/nodes", {"metadata": {"name": self.node, "labels": labels}})
        except ApiError as error:
            if error.status != 409:
                raise
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ok"}
        unknown = ("bootID", "kubeProxyVersion", "machineID", "systemUUID")
        info = dict.fromkeys(unknown, "") | {
            "architecture": "amd64",
            "operatingSystem": "linux",
            "osImage": "podrunner",
        }
        info |= {
            "containerRuntimeVersion": "process://1",
            "kernelVersion": os.uname().release,
            "kubeletVersion": "v1.34.4",
        }
        status = {
            "capacity": self.capacity,
            "allocatable": self.capacity,
            "conditions": [ready | {"lastHeartbeatTime": now(), "lastTransitionTime": now()}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": self.node}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._logs.port}},
            "nodeInfo": info,
        }
        self.api("PATCH", f"/api/v1/nodes/{self.node}/status", {"status": status}, STRATEGIC)
        # Each new Node is tainted not-ready; the controller that would lift it does not run.
        self.api("PATCH", f"/api/v1/nodes/{self.node}", {"spec": {"taints": None}}, MERGE)

    def _follow(self, selector: str, handle: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Hand all pods of a selector, and each change, to ``handle``; a list first, then a watch, and again when that ends."""

        def follow() -> None:
            while self.alive:
                try:
                    listed = self.api("GET", "/api/v1/pods", fieldSelector=selector)
                    uids = {pod["metadata"]["uid"] for pod in listed["items"]}
                    for gone in set(self.pods) - uids if handle == self._mine else ():
                        handle("DELETED", self.pods[gone].document)
                    for pod in listed["items"]:
                        handle("ADDED", pod)
                    version = listed["metadata"]["resourceVersion"]
                    options = {"allowWatchBookmarks": "true", "timeoutSeconds": "300"}
                    for event in self.api.watch(
                        "/api/v1/pods", fieldSelector=selector, resourceVersion=version, **options
                    ):
                        if event["type"] == "ERROR":  # 410 and the like: list again
                            break
                        if event["type"] != "BOOKMARK":
                            handle(event["type"], event["object"])
                except Exception:  # noqa: BLE001  the API server is killed in tests; whatever it is, a kubelet goes on
                    if self.alive:
                        time.sleep(0.2)

        threading.Thread(target=follow, daemon=True, name="watch").start()

    def _mine(self, kind: str, document: Mapping[str, Any]) -> None:
        meta = document["metadata"]
        if kind == "DELETED":
            gone = self.pods.pop(meta["uid"], None)
            if gone is not None:
                gone.stop(0)
            return
        pod = self.pods.get(meta["uid"])
        if pod is None:
            pod = self.pods[meta["uid"]] = Pod(self, document)
            pod.start()
        if meta.get("deletionTimestamp"):
            pod.stop(meta.get("deletionGracePeriodSeconds", pod.grace))

    def _bind(self, kind: str, document: Mapping[str, Any]) -> None:
        meta = document["metadata"]
        if kind == "DELETED" or document["spec"].get("nodeName") or meta.get("deletionTimestamp"):
            return
        target = {"apiVersion": "v1", "kind": "Node", "name": self.node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": target}
        try:
            self.api("POST", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/binding", body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
