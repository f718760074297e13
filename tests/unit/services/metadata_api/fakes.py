# SPDX-License-Identifier: Apache-2.0
"""A publisher in this process, and a client of an API that publishes to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.metadata.dead_letter import Outgoing
from airflow_dataops.core.metadata.versions import VERSIONS, Versions
from airflow_dataops.services.metadata_api.app import Service, create_app
from airflow_dataops.services.metadata_api.auth import Tokens
from airflow_dataops.services.metadata_api.settings import ApiSettings, Limits

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Publisher:
    """Keeps what is sent; ``error`` fails it, and with ``held`` nothing is acknowledged before :meth:`release`."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.error: DataOpsError | None = None
        self.raises: DataOpsError | None = None
        self.held = False
        self.closed = False
        self.probes = 0
        self._waiting: list[Future[None]] = []

    def send(self, record: Outgoing) -> Future[None]:
        if self.raises is not None:
            raise self.raises
        future: Future[None] = Future()
        if self.held:
            self._waiting.append(future)
        elif self.error is not None:
            future.set_exception(self.error)
        else:
            self.sent.append(record)
            future.set_result(None)
        return future

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def release(self) -> None:
        """Acknowledge all that waits."""
        self.held = False
        while self._waiting:
            self._waiting.pop().set_result(None)

    def flush(self, seconds: float) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def probe(self) -> None:
        self.probes += 1
        if self.error is not None:
            raise self.error


def service(
    publisher: Publisher, *, tokens: str = "", settings: ApiSettings | None = None, versions: Versions = VERSIONS,
    clock: Callable[[], datetime] = lambda: NOW, **limits: Any,
) -> Service:  # fmt: skip
    """A service that publishes here; more arguments are limits."""
    given = replace(settings or ApiSettings(), limits=replace(Limits(), **limits))
    known = Tokens(None, {"DATAOPS_METADATA_TOKENS": tokens})
    return Service(given, publisher, publisher.probe, known, versions, clock)


def application(publisher: Publisher, **options: Any) -> Any:
    """The ASGI application of a :func:`service`."""
    return create_app(service(publisher, **options))


@contextmanager
def api(publisher: Publisher, **options: Any) -> Iterator[Any]:
    """A client of an API in this process; options are those of :func:`service`."""
    from starlette.testclient import TestClient

    made = service(publisher, **options)
    with TestClient(create_app(made), raise_server_exceptions=False) as client:
        client.service = made  # type: ignore[attr-defined]
        yield client
