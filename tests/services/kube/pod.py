# SPDX-License-Identifier: Apache-2.0
"""One pod of PodRunner: its containers one after another or side by side, its status and its events."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.services.kube.api import STRATEGIC, ApiError
from tests.services.kube.container import Container, now
from tests.services.kube.inputs import Inputs, NotYet, quantity
from tests.services.kube.isolation import Mount, isolated

if TYPE_CHECKING:
    from tests.services.kube.podrunner import PodRunner

OUT_OF_MEMORY = "podrunner.test/oom"
_DEADLINE = "Pod was active on the node longer than the specified deadline"
_ENDED = ("Succeeded", "Failed")


class Start(NamedTuple):
    """A container that was started."""

    namespace: str
    pod: str
    container: str
    command: tuple[str, ...]


class Pod:
    """A pod that was bound to the runner's node."""

    def __init__(self, runner: PodRunner, document: Mapping[str, Any]) -> None:
        self.document, self.spec = document, document["spec"]
        meta = document["metadata"]
        self.namespace, self.name, self.uid = meta["namespace"], meta["name"], meta["uid"]
        self.ip, self.grace = runner.next_ip(), self.spec.get("terminationGracePeriodSeconds", 30)
        self.stopping = threading.Event()
        self._runner, self._api = runner, runner.api
        self._path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self._folder = runner.folder / self.uid
        self._inputs = Inputs(runner.api, document, folder=self._folder, ip=self.ip, node=runner.node)
        self.containers = [Container(spec, self._folder / spec["name"]) for spec in self.spec["containers"]]
        self.first = [Container(spec, self._folder / spec["name"]) for spec in self.spec.get("initContainers", [])]
        self._began = now()
        self._verdict: dict[str, Any] = {}
        self._lock = threading.RLock()

    @property
    def every(self) -> list[Container]:
        """All containers."""
        return [*self.first, *self.containers]

    def start(self) -> None:
        """Begin its life, in a thread of its own."""
        threading.Thread(target=self._live, daemon=True, name=f"pod-{self.name}").start()

    def stop(self, grace: float) -> None:
        """End it as a delete request does: SIGTERM, and SIGKILL after the grace period."""
        self.grace = min(grace, self.grace)
        if not self.stopping.is_set():
            self.stopping.set()
            threading.Thread(target=self._guarded, args=(self._kill_all,), daemon=True).start()

    def fail(self, reason: str, message: str) -> None:
        """End it with a verdict of the node: ``Evicted``, ``DeadlineExceeded``."""
        with self._lock:
            if self.phase() in _ENDED:
                return
            self._verdict = {"phase": "Failed", "reason": reason, "message": message}
        self._kill_all()
        self.publish()

    def phase(self) -> str:
        """Return ``status.phase``."""
        states = [container.state for container in self.containers]
        if self._verdict:
            return str(self._verdict["phase"])
        if any("running" in state for state in states):
            return "Running"
        if all("terminated" in state for state in states):
            return "Succeeded" if all(container.code == 0 for container in self.containers) else "Failed"
        begun = any(container.restarts or "terminated" in container.state for container in self.containers)
        return "Running" if begun else "Pending"

    def publish(self) -> None:
        """Write the status."""
        with self._lock:
            status = {"phase": self.phase(), "startTime": self._began, "hostIP": "127.0.0.1", "podIP": self.ip}
            status |= {"podIPs": [{"ip": self.ip}], "conditions": self._conditions()}
            status |= {"containerStatuses": [container.status() for container in self.containers], **self._verdict}
            if self.first:
                status["initContainerStatuses"] = [container.status() for container in self.first]
            try:
                body = {"metadata": {"uid": self.uid}, "status": status}
                self._api("PATCH", f"{self._path}/status", body, STRATEGIC)
            except ApiError as error:
                if error.status not in (404, 409):  # gone, or another pod has its name
                    raise

    def event(self, reason: str, message: str, *, container: Container | None = None, kind: str = "Normal") -> None:
        """Write an event about the pod."""
        about = {"apiVersion": "v1", "kind": "Pod", "namespace": self.namespace, "name": self.name, "uid": self.uid}
        if container is not None:
            about["fieldPath"] = f"spec.containers{{{container.name}}}"
        body = {"metadata": {"name": f"{self.name}.{uuid.uuid4().hex[:16]}"}, "involvedObject": about, "type": kind}
        body |= {"reason": reason, "message": message, "count": 1, "firstTimestamp": now(), "lastTimestamp": now()}
        body |= {"source": {"component": "kubelet", "host": self._runner.node}}
        with contextlib.suppress(ApiError):
            self._api("POST", f"/api/v1/namespaces/{self.namespace}/events", body)

    def _conditions(self) -> list[dict[str, Any]]:
        ready = all("running" in container.state for container in self.containers)
        why = "PodCompleted" if self.phase() in _ENDED else "" if ready else "ContainersNotReady"
        begun = all("terminated" in container.state for container in self.first)
        kinds = {"PodScheduled": True, "Initialized": begun, "ContainersReady": ready, "Ready": ready}
        return [
            {"type": kind, "status": str(value), "lastTransitionTime": now()}
            | ({"reason": why} if kind.endswith("Ready") and why else {})
            for kind, value in kinds.items()
        ]

    def _guarded(self, do: Callable[..., None], *args: Any) -> None:
        """Do something in a thread: a pod is never left Pending for no reason that anybody can see."""
        try:
            do(*args)
        except Exception as error:  # noqa: BLE001  of a pod that ends, its files and the pod itself may be gone already
            if not self.stopping.is_set():
                self._verdict = {"phase": "Failed", "reason": "PodRunnerError", "message": repr(error)[:1000]}
                with contextlib.suppress(Exception):
                    self.publish()

    def _live(self) -> None:
        self._guarded(self._run)
        if self.stopping.is_set() and self._runner.alive:
            self._guarded(self._leave)

    def _leave(self) -> None:
        self._kill_all()
        with contextlib.suppress(ApiError):
            self.publish()
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        with contextlib.suppress(ApiError):
            self._api("DELETE", self._path, body | {"preconditions": {"uid": self.uid}})
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        if self.document.get("status", {}).get("phase") in _ENDED:
            self.stopping.wait()
            return
        self.publish()
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is not None:
            timer = threading.Timer(seconds, self._guarded, (self.fail, "DeadlineExceeded", _DEADLINE))
            timer.daemon = True
            timer.start()
        if all(self._first(container) for container in self.first):
            threads = [
                threading.Thread(target=self._guarded, args=(self._keep, c, False), daemon=True)
                for c in self.containers
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.stopping.wait()

    def _first(self, container: Container) -> bool:
        """Run an init container; tell whether the next one may follow."""
        self._keep(container, True)
        if self.stopping.is_set() or self._verdict:
            return False
        if container.code:
            self._verdict = {"phase": "Failed"}
            self.publish()
        return container.code == 0

    def _keep(self, container: Container, first: bool) -> None:
        """Run a container as often as the pod's restart policy says."""
        policy = self.spec.get("restartPolicy", "Always")
        policy = "OnFailure" if first and policy == "Always" else policy
        while not (self.stopping.is_set() or self._verdict):
            if not self._begin(container):
                return
            code = self._wait(container)
            if not (policy == "Always" or (policy == "OnFailure" and code)) or self.stopping.is_set() or self._verdict:
                if not self.stopping.is_set():
                    self.publish()
                return
            container.last = container.state
            if code:
                message = f"back-off restarting failed container={container.name} pod={self.name}"
                container.state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
                self.event("BackOff", message.capitalize(), container=container, kind="Warning")
            self.publish()
            self.stopping.wait(self._runner.backoff * 2 ** min(container.restarts, 5))
            container.restarts += 1

    def _wait(self, container: Container) -> int:
        limit = container.spec.get("resources", {}).get("limits", {}).get("memory")
        asked = self.document["metadata"].get("annotations", {}).get(OUT_OF_MEMORY) == container.name
        return container.wait(memory=quantity(limit) if limit else None, killed_at_once=asked)

    def _begin(self, container: Container) -> bool:
        """Start a container, as soon as its image and what it refers to is there; tell whether it runs."""
        told = ""
        while not (self.stopping.is_set() or self._verdict):
            try:
                self._pull(container, again=bool(told))
                self._launch(container)
            except NotYet as error:
                container.state = {"waiting": {"reason": error.reason, "message": str(error)}}
                if told != error.reason:
                    self._tell(container, error)
                    self.publish()
                told = error.reason
                self.stopping.wait(0.5)
            else:
                self.publish()
                return True
        return False

    def _pull(self, container: Container, *, again: bool) -> None:
        image = container.spec["image"]
        if "missing" not in image:
            return
        self.event("Failed", f'Failed to pull image "{image}": not found', container=container, kind="Warning")
        if again:
            self.event("BackOff", f'Back-off pulling image "{image}"', container=container)
            raise NotYet("ImagePullBackOff", f'Back-off pulling image "{image}"')
        raise NotYet("ErrImagePull", f'failed to pull and unpack image "{image}": not found')

    def _tell(self, container: Container, error: NotYet) -> None:
        if error.reason == "ContainerCreating":
            self.event("FailedMount", str(error), kind="Warning")
        elif error.reason == "CreateContainerConfigError":
            self.event("Failed", f"Error: {error}", container=container, kind="Warning")

    def _launch(self, container: Container) -> None:
        image = self._runner.image(container.spec["image"])
        volumes = {volume["name"]: volume for volume in self.spec.get("volumes", [])}
        mounts: list[Mount] = []
        for mount in container.spec.get("volumeMounts", []):
            source = self._inputs.volume(volumes[mount["name"]])
            source = source / mount["subPath"] if mount.get("subPath") else source
            mounts.append((source, mount["mountPath"], bool(mount.get("readOnly"))))
        env, expand = self._inputs.env(container.spec, image)
        own = container.spec.get("command")
        arguments = container.spec.get("args") or ([] if own else image.command)
        command = [expand(word) for word in [*(own or image.entrypoint), *arguments]]
        if not command:
            raise NotYet("RunContainerError", "no command specified")
        container.prepare()
        folder = container.spec.get("workingDir") or image.folder
        self.event("Pulled", f'Container image "{container.spec["image"]}" already present', container=container)
        if self._runner.isolate:
            mounts += [
                *((source, target, True) for target, source in image.mounts.items()),
                *self._own_mounts(container),
            ]
            place = container.folder / f"root-{container.restarts}"
            command = isolated(
                command,
                place=place,
                image=image.root,
                mounts=mounts,
                folder=folder,
                user=self._user(container),
                host=self.name[:63],
            )
        for source, target, _ in [] if self._runner.isolate else mounts:
            command = [word.replace(target, str(source)) for word in command]
            env = {name: value.replace(target, str(source)) for name, value in env.items()}
        self._runner.starts.append(Start(self.namespace, self.name, container.name, tuple(command)))
        container.start(self._runner.keeper, command, env, Path("/"))
        self.event("Started", f"Started container {container.name}", container=container)

    def _own_mounts(self, container: Container) -> list[Mount]:
        hosts = container.folder / "hosts"
        hosts.write_text(self._runner.hosts(self))
        path = container.spec.get("terminationMessagePath", "/dev/termination-log")
        mounts: list[Mount] = [(container.termination_file, path, False), (hosts, "/etc/hosts", False)]
        user, _, group = self._user(container).partition(":")
        if user:  # CRI-O gives a user that nobody knows a line of its own; Hadoop asks for its name
            known, passwd = Path("/etc/passwd").read_text(), container.folder / "passwd"
            passwd.write_text(f"{known}{user}:x:{user}:{group}:{user} user:/:/sbin/nologin\n")
            mounts.append((passwd, "/etc/passwd", True))
        return mounts

    def _user(self, container: Container) -> str:
        """Return ``uid:gid``: as the security context says, an arbitrary user where it only refuses root, else root."""
        context = {**self.spec.get("securityContext", {}), **container.spec.get("securityContext", {})}
        arbitrary = self._runner.arbitrary_uid if context.get("runAsNonRoot") else None
        user = context.get("runAsUser", arbitrary)
        return "" if user is None else f"{user}:{context.get('runAsGroup', 0)}"

    def _kill_all(self) -> None:
        for container in self.every:
            process = container.process
            if process is None or process.poll() is not None:
                continue
            self.event("Killing", f"Stopping container {container.name}", container=container)
            container.signal(signal.SIGTERM)
            if process.wait(self.grace) is None:
                process.signal(signal.SIGKILL)
                process.wait(5)
            container.ended.wait(5)
