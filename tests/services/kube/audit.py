# SPDX-License-Identifier: Apache-2.0
"""Every version of every object of a namespace, as the API server itself showed them: what was there counts, also when it is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from tests.services.kube.accounts import Namespace
from tests.services.kube.api import Api

KINDS = ("pods", "configmaps", "services", "events", "serviceaccounts")


class Audit:
    """``with Audit(namespace) as audit``: watches from before the first object of a test.

    Args:
        namespace: What is watched.
        kinds: Kinds of objects; never Secrets.
    """

    def __init__(self, namespace: Namespace, kinds: tuple[str, ...] = KINDS) -> None:
        self._namespace, self._kinds = namespace, kinds
        self._seen: list[tuple[str, Mapping[str, Any]]] = []
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._api = Api(self._namespace.kube)
        begun = [threading.Event() for _ in self._kinds]
        for kind, ready in zip(self._kinds, begun, strict=True):
            threading.Thread(target=self._follow, args=(kind, ready), daemon=True, name=f"audit-{kind}").start()
        assert all(ready.wait(120) for ready in begun)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def versions(self, kind: str = "") -> list[Mapping[str, Any]]:
        """Return all versions of the objects of a kind, or of all kinds, in the order in which they came."""
        self._catch_up()
        return [document for of, document in list(self._seen) if kind in ("", of)]

    def drivers(self) -> list[str]:
        """Return the name of each driver pod that ever was there, in the order of their making; one name twice where it was made twice."""
        found = [one["metadata"] for one in self.versions("pods")]
        ours = {meta["uid"]: meta["name"] for meta in found if meta.get("labels", {}).get("spark-role") == "driver"}
        return list(ours.values())

    def _catch_up(self) -> None:
        """Wait until of each kind, each a stream of its own, the newest version was seen of what there is, and of configmaps one made now."""
        if "configmaps" in self._kinds:
            marker = {"metadata": {"name": f"audit-{time.monotonic_ns()}"}}
            self._namespace.api("POST", self._namespace.path("configmaps"), marker)
        end = time.monotonic() + 120
        for kind in self._kinds:
            wanted = {_version(one) for one in self._namespace.api("GET", self._namespace.path(kind))["items"]}
            while not wanted <= {_version(one) for of, one in list(self._seen) if of == kind}:
                assert time.monotonic() < end, f"the watch of {kind} does not go on"
                time.sleep(0.02)

    def _follow(self, kind: str, begun: threading.Event) -> None:
        path = self._namespace.path(kind)
        while not self._over.is_set():
            try:
                listed = self._api("GET", path)
                for one in listed["items"]:
                    self._seen.append((kind, one))
                begun.set()
                for document in self._watched(path, listed["metadata"]["resourceVersion"]):
                    self._seen.append((kind, document))
            except Exception:  # noqa: BLE001  the API server is killed in tests
                time.sleep(0.1)

    def _watched(self, path: str, version: str) -> Iterator[Mapping[str, Any]]:
        for event in self._api.watch(path, resourceVersion=version, timeoutSeconds="60"):
            if event["type"] == "ERROR" or self._over.is_set():
                return
            yield event["object"]


def _version(document: Mapping[str, Any]) -> str:
    return str(document["metadata"]["resourceVersion"])


__all__ = ["Audit"]
