# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the two operators that turn a SparkApplication into a driver pod, in a process of their own.

They write the status fields of each API through its ``status`` subresource, and start a driver anew where its restart policy says so. What
an application owns is collected by Kubernetes itself when the application is deleted.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from tests.services.kube import spark_crds
from tests.services.kube.api import MERGE, Api, ApiError
from tests.services.kube.container import now
from tests.services.kube.kube_server import KubeServer
from tests.services.processes import Keeper, Process

Document = Mapping[str, Any]
_PAUSE = 0.15


class Controller:
    """Looks at all applications of one API again and again.

    Args:
        api: Requests of the operator.
    """

    kind: ApplicationApi

    def __init__(self, api: Api) -> None:
        self.api = api

    def run(self) -> None:
        """Reconcile for ever; the API server may be away, or the definition."""
        while True:
            with suppress(Exception):
                listed = self.api("GET", f"/apis/{self.kind.value}/sparkapplications")
                for application in listed["items"]:
                    with suppress(ApiError):
                        self.reconcile(application)
            time.sleep(_PAUSE)

    def reconcile(self, application: Document) -> None:
        """Go one step on with an application."""
        raise NotImplementedError

    def pod(self, application: Document, name: str) -> Any:
        """Return a driver pod; None where there is none."""
        return self.api.get(f"/api/v1/namespaces/{application['metadata']['namespace']}/pods/{name}")

    def delete(self, application: Document, name: str) -> None:
        """Delete a driver pod."""
        with suppress(ApiError):
            self.api("DELETE", f"/api/v1/namespaces/{application['metadata']['namespace']}/pods/{name}")

    def write(self, application: Document, status: Document) -> None:
        """Write fields of the status."""
        meta = application["metadata"]
        place = f"/apis/{self.kind.value}/namespaces/{meta['namespace']}/sparkapplications/{meta['name']}/status"
        self.api("PATCH", place, {"status": status}, MERGE)


def phase_of(pod: Document) -> str:
    """Return the phase of a driver pod, by its own container where that has ended."""
    found = pod.get("status", {}).get("containerStatuses") or []
    ended = next((one["state"].get("terminated") for one in found if one["name"] == "spark-kubernetes-driver"), None)
    if ended:
        return "Succeeded" if ended["exitCode"] == 0 else "Failed"
    return str(pod.get("status", {}).get("phase", "Pending"))


def why(pod: Document) -> str:
    """Return what an operator says of a driver that failed."""
    for one in pod.get("status", {}).get("containerStatuses") or []:
        ended = one["state"].get("terminated")
        if ended:
            return f"driver container failed with ExitCode: {ended['exitCode']}, Reason: {ended.get('reason', '')}"
    return f"driver pod failed: {pod.get('status', {}).get('reason', '')}"


class Operators:
    """Both operators' process.

    Attributes:
        api: The administrator's requests.
    """

    def __init__(self, kube: KubeServer, process: Process) -> None:
        self.api = Api(kube)
        self._process = process

    def pause(self) -> None:
        """Stop working, as an operator does that is away or busy."""
        self._process.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Work again."""
        self._process.signal(signal.SIGCONT)


@contextmanager
def operators(kube: KubeServer, folder: Path) -> Iterator[Operators]:
    """Install both definitions and start both operators."""
    api = Api(kube)
    spark_crds.install(api, *ApplicationApi)
    there = {"url": kube.url, "admin": list(map(str, kube.admin)), "file": str(kube.authority.file)}
    keeper = Keeper()
    try:
        command = [sys.executable, "-m", __name__, json.dumps(there)]
        yield Operators(kube, keeper.start(command, output=folder / "operators.log", cwd=Path.cwd()))
    finally:
        keeper.close()
        api.close()


def main() -> None:
    """Run both operators."""
    from tests.services.kube.controller_apache import Apache
    from tests.services.kube.controller_kubeflow import Kubeflow

    there = json.loads(sys.argv[1])
    kube = SimpleNamespace(url=there["url"], admin=there["admin"], authority=SimpleNamespace(file=Path(there["file"])))
    for kind in (Kubeflow, Apache):
        threading.Thread(target=kind(Api(kube, patience=5)).run, daemon=True).start()  # type: ignore[arg-type]
    threading.Event().wait()


__all__ = ["Controller", "Operators", "now", "operators", "phase_of", "why"]

if __name__ == "__main__":
    main()
