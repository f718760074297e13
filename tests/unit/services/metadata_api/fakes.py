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


@contextmanager
def api(
    publisher: Publisher, *, tokens: str = "", settings: ApiSettings | None = None, versions: Versions = VERSIONS,
    clock: Callable[[], datetime] = lambda: NOW, **limits: Any,
) -> Iterator[Any]:  # fmt: skip
    """A client of an API in this process; more arguments are limits."""
    from starlette.testclient import TestClient

    given = settings or ApiSettings()
    given = replace(given, limits=replace(Limits(), **limits))
    service = Service(
        given, publisher, publisher.probe, Tokens(None, {"DATAOPS_METADATA_TOKENS": tokens}), versions, clock
    )
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        client.service = service
        yield client
