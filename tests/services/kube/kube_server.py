# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler.

Nothing of it needs root. Pods become processes through :mod:`tests.services.kube.podrunner`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import ssl
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.services.kube.authority import Authority, Pair
from tests.services.kube.flags import CONTROLLERS, apiserver_flags, controller_flags, etcd_flags, scheduler_flags
from tests.services.ports import free_port
from tests.services.processes import Keeper, Process

_PREFIX = "dataops-kube-"
_SHARED_MEMORY = Path("/dev/shm")


class KubeServer:
    """A control plane; ``with KubeServer(binary) as kube``.

    Args:
        binary: What ``tools/kube.sh`` built.
        controllers: Names of controllers to run; none for no controller manager.
        scheduler: Whether a scheduler runs. Without one PodRunner binds pods itself.
        apiserver_args: More flags of the API server.

    Attributes:
        url: Address of the API server.
        authority: Signs certificates that it trusts.
        admin: Certificate and key of a user who may do everything: for setting up and looking, never for what is tested.
        kubeconfig: The same user's kubeconfig.
        timings: Seconds from the start until something was ready.
        away: Set while the API server is being restarted: it answers before it knows its roles, and refuses everybody. A load balancer of a
            real one asks it before whether it is ready.
    """

    def __init__(
        self,
        binary: Path,
        *,
        controllers: Sequence[str] = CONTROLLERS,
        scheduler: bool = True,
        apiserver_args: Sequence[str] = (),
    ) -> None:
        self.binary, self.controllers, self.scheduler, self.extra = binary, controllers, scheduler, list(apiserver_args)
        self.timings: dict[str, float] = {}
        self.away = threading.Event()
        self._processes: dict[str, Process] = {}
        self._commands: dict[str, list[str]] = {}

    def start(self) -> Self:
        """Start everything and return when pods can be made in ``default``.

        Raises:
            RuntimeError: Something ended, or is not ready in time; the end of its log is in the message.
        """
        self._keeper = Keeper()
        self.folder = _folder()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything and remove all files."""
        self._keeper.close()
        self._processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def restart(self, name: str = "apiserver", *, down: float = 0.0) -> None:
        """Kill a process and start it again. An API server's watches break, and one from an old resourceVersion gets 410."""
        process = self._processes[name]
        if name == "apiserver":
            self.away.set()
        process.signal(signal.SIGKILL)
        process.wait(60)
        time.sleep(down)
        self._spawn(name, self._commands[name])
        if name == "apiserver":
            self._wait(lambda: self._get("/readyz") == b"ok", name)
            self.away.clear()

    def pause(self, name: str = "apiserver") -> contextlib.AbstractContextManager[None]:
        """Let a process hang: connections are taken by the kernel, and nobody answers."""
        return _paused(self._processes[name])

    def compact(self) -> None:
        """Forget etcd's history: continue tokens and resourceVersions from before get 410."""
        revision = self._etcd("/v3/kv/range", key=base64.b64encode(b"x").decode())["header"]["revision"]
        self._etcd("/v3/kv/compaction", revision=revision, physical=True)

    def write_kubeconfig(
        self, name: str, *, pair: Pair | None = None, token: str = "", namespace: str = "default"
    ) -> Path:
        """Write the kubeconfig of a user with a certificate or a token, and return its path."""
        user = {"token": token} if pair is None else {"client-certificate": str(pair[0]), "client-key": str(pair[1])}
        cluster = {"server": self.url, "certificate-authority": str(self.authority.file)}
        path = self.folder / f"{name}.kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name, "namespace": namespace}}],
        }
        path.write_text(json.dumps(document))  # JSON is YAML
        path.chmod(0o600)
        return path

    def log(self, name: str) -> str:
        """Return the output of one of its processes."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def memory_mb(self) -> dict[str, int]:
        """Return the resident memory of each process."""
        found = {}
        for name, process in self._processes.items():
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            found[name] = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024
        return found

    def _start(self) -> None:
        began = time.monotonic()
        self.authority = authority = Authority(self.folder / "pki")
        client, peer, port = free_port(), free_port(), free_port()
        self.url, self._etcd_url = f"https://127.0.0.1:{port}", f"http://127.0.0.1:{client}"
        self.admin = authority.user("admin", "admin", group="system:masters")
        self.kubeconfig = self.write_kubeconfig("admin", pair=self.admin)
        keys = authority.signing_keys("service-accounts")
        self._spawn("etcd", ["etcd", *etcd_flags(self.folder / "etcd", client, peer)])
        self._spawn("apiserver", ["apiserver", *apiserver_flags(authority, keys, port, self._etcd_url), *self.extra])
        self._wait(lambda: self._get("/readyz") == b"ok", "apiserver")
        self.timings["apiserver"] = time.monotonic() - began
        if self.controllers:
            user = authority.user("controller-manager", "system:kube-controller-manager")
            config = self.write_kubeconfig("controller-manager", pair=user)
            flags = controller_flags(authority, keys, config, self.controllers)
            self._spawn("controller-manager", ["controller-manager", *flags])
        if self.scheduler:
            config = self.write_kubeconfig("scheduler", pair=authority.user("scheduler", "system:kube-scheduler"))
            self._spawn("scheduler", ["scheduler", *scheduler_flags(config)])
        if self.controllers:  # until it is there, pods are refused
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            self._wait(lambda: self._get(account) is not None, "controller-manager")
        self.timings["all"] = time.monotonic() - began

    def _spawn(self, name: str, command: list[str]) -> None:
        self._commands[name] = command
        whole = [str(self.binary), *command]
        self._processes[name] = self._keeper.start(whole, output=self.folder / f"{name}.log", cwd=self.folder)

    def _get(self, path: str) -> bytes | None:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        context.load_cert_chain(*map(str, self.admin))
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        try:
            with urllib.request.build_opener(*handlers).open(self.url + path, timeout=30) as answer:
                found: bytes = answer.read()
                return found
        except OSError:
            return None

    def _etcd(self, path: str, **body: Any) -> Any:
        request = urllib.request.Request(
            self._etcd_url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)

    def _wait(self, ready: Callable[[], bool], what: str, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not ready():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.poll()}:\n{self.log(name)[-3000:]}")
            if time.monotonic() > end:
                raise RuntimeError(f"{what} is not ready after {seconds} s:\n{self.log(what)[-3000:]}")
            time.sleep(0.05)


@contextlib.contextmanager
def _paused(process: Process) -> Iterator[None]:
    process.signal(signal.SIGSTOP)
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


def _folder() -> Path:
    """Make a folder in memory, where etcd's fsyncs cost nothing; first remove those whose owners were killed."""
    parent = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    for old in parent.glob(f"{_PREFIX}*"):
        if not Path("/proc", old.name.removeprefix(_PREFIX).partition("-")[0]).exists():
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
