# SPDX-License-Identifier: Apache-2.0
"""Looks for the tests' secret, plain and in base64, wherever a run of the operator leaves something: it belongs in Secrets only.

Looked at are all versions of all other objects of the namespace, the commands of all processes of this machine, what a task keeps in XCom,
its rendered templates, what its trigger carries, and the output of the test, with the task's log.
"""

from __future__ import annotations

import contextlib
import json
import threading
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.services.kube.accounts import Namespace
from tests.services.kube.audit import Audit
from tests.services.kube.podrunner import PodRunner

_SECONDS = 0.25


def forms(secret: str) -> list[str]:
    """Return a secret in all the forms in which it might be written down."""
    plain = secret.encode()
    # Inside of a longer text base64 depends on where it begins: cut to what is the same whatever stands around.
    coded = [b64encode(b"." * shift + plain).decode()[-(-shift * 8 // 6) :].rstrip("=")[:-1] for shift in range(3)]
    return [secret, json.dumps(secret)[1:-1], *coded]


def leaks(text: str, secret: str | None = None) -> list[str]:
    """Return what a text shows of a secret, with what stands around it.

    Args:
        text: The text.
        secret: None for the one of :mod:`~tests.integration.spark_k8s.operating`.
    """
    if secret is None:
        from tests.integration.spark_k8s.operating import SECRET as secret  # it needs Airflow
    found = ((text.find(form), form) for form in forms(secret))
    return [text[max(0, at - 60) : at + len(form) + 20] for at, form in found if at >= 0]


class Scan:
    """``with Scan(namespace, node) as scan``: checks at its end.

    Args:
        namespace: Where the run is.
        node: Runs its pods.
        secret: What is looked for; None for the one of :mod:`~tests.integration.spark_k8s.operating`.

    Attributes:
        audit: Every version of every object but Secrets.
    """

    def __init__(self, namespace: Namespace, node: PodRunner, secret: str | None = None) -> None:
        self._namespace, self._node, self._secret = namespace, node, secret
        self.audit = Audit(namespace)
        self._over = threading.Event()
        self._seen: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        self.audit.__enter__()
        self._watcher = threading.Thread(target=self._processes, daemon=True, name="scan")
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watcher.join(60)
        try:
            if error is None:
                self._check()
        finally:
            self.audit.__exit__(None, None, None)

    def look(self, place: str, *things: Any) -> None:
        """Look at anything else: a text, or what JSON can write."""
        for thing in things:
            text = thing if isinstance(thing, str) else json.dumps(thing, default=str)
            self._seen[place] = self._seen.get(place, []) + leaks(text, self._secret)

    def shown(self, place: str) -> list[str]:
        """Return what has been found in a place so far."""
        return self._seen.get(place, [])

    def look_at_task(self, task: Any, trigger: Any = None) -> None:
        """Look at what a task leaves: XCom, rendered templates, and what its trigger carries."""
        operator = task.operator
        self.look("XCom", [*task.ti.store.values()])
        self.look("rendered templates", {name: getattr(operator, name) for name in operator.template_fields})
        if trigger is not None:
            self.look("trigger", trigger.serialize())

    def look_at_files(self, place: str, files: Iterable[Path]) -> None:
        """Look at files, of whatever kind."""
        for path in files:
            if path.is_file():
                self.look(place, path.read_bytes().decode("utf-8", errors="replace"))

    def starts(self) -> list[str]:
        """Return the pod of each start of a container in the namespace."""
        return [start.pod for start in self._node.starts if start.namespace == self._namespace.name]

    def _check(self) -> None:
        own = [start for start in self._node.starts if start.namespace == self._namespace.name]
        self.look("commands of pods", *(" ".join(start.command) for start in own))
        self.look("objects", _without_last_words(self.audit.versions()))
        shown = {place: found for place, found in self._seen.items() if found}
        assert not shown, f"the secret is in {shown}"

    def _processes(self) -> None:
        while not self._over.wait(_SECONDS):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.look("commands of processes", path.read_bytes().decode("utf-8", errors="replace"))


def _without_last_words(document: Any) -> Any:
    """Return a document without what programs wrote as their termination messages: that is their own doing, and a test's program says it."""
    if isinstance(document, list):
        return [_without_last_words(one) for one in document]
    if not isinstance(document, dict):
        return document
    kept = {name: _without_last_words(value) for name, value in document.items()}
    if isinstance(kept.get("terminated"), dict):
        kept["terminated"].pop("message", None)
    return kept


def check_report(report: Any) -> None:
    """Fail a report whose captured output shows the secret."""
    if not isinstance(report, pytest.TestReport) or report.when != "call" or not report.passed:
        return
    shown = leaks("\n".join(text for _, text in report.sections))
    if shown:
        report.outcome, report.longrepr = "failed", f"the secret is in the output: {shown}"
