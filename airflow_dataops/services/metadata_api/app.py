# SPDX-License-Identifier: Apache-2.0
"""The application: ``POST /v1/metadata``, ``POST /metadata``, ``/healthz``, ``/readyz``, ``/metrics``, ``/openapi.json``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from airflow_dataops.clients.metadata.ports import Publisher
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.metadata.batch import Batch, BatchRefused, read_batch
from airflow_dataops.core.metadata.versions import VERSIONS, Versions
from airflow_dataops.services.metadata_api.admission import Admission
from airflow_dataops.services.metadata_api.around import Around
from airflow_dataops.services.metadata_api.auth import Tokens, check
from airflow_dataops.services.metadata_api.body import read_body
from airflow_dataops.services.metadata_api.metrics import Metrics
from airflow_dataops.services.metadata_api.openapi import openapi
from airflow_dataops.services.metadata_api.publishing import Health, Probe, publish
from airflow_dataops.services.metadata_api.refusals import Refused, of_batch, of_publish
from airflow_dataops.services.metadata_api.settings import ApiSettings

_LOG = logging.getLogger(__name__)


class Service:
    """What the routes have in common.

    Args:
        settings: Limits and rules.
        publisher: Takes the events; closed when the application ends.
        probe: Raises where events cannot be published.
        tokens: That let in.
        versions: Of events.
        clock: The time.
    """

    def __init__(
        self, settings: ApiSettings, publisher: Publisher, probe: Probe, tokens: Tokens,
        versions: Versions = VERSIONS, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self.settings, self.publisher, self.tokens = settings, publisher, tokens
        self.versions, self.clock = versions, clock
        self.metrics, self.admission, self.health = Metrics(), Admission(settings.limits), Health(probe)
        self.metrics.in_flight.set_function(lambda: self.admission.size)
        self._beside: ThreadPoolExecutor | None = None

    @property
    def is_alive(self) -> bool:
        """See :class:`~airflow_dataops.services.probes.Probed`."""
        return self.health.is_alive

    @property
    def is_ready(self) -> bool:
        """See :class:`~airflow_dataops.services.probes.Probed`."""
        return self.health.is_ready

    def text(self) -> bytes:
        """See :class:`~airflow_dataops.services.probes.Probed`."""
        return self.metrics.text()

    async def post(self, request: Request, version: str | None) -> Response:
        """Take the events of a request, or say why not."""
        state = request.scope["state"]
        try:
            keys = await self._taken(request, version)
        except Refused as error:
            refused = error
        except Exception:  # noqa: BLE001  # whatever it is, the sender learns the request's id, and the log the rest
            _LOG.exception("a fault of the service", extra={"request_id": state["request_id"]})
            refused = Refused(500, "UNEXPECTED", "a fault of the service; its log says more")
        else:
            state["events"] = len(keys)
            return JSONResponse({"accepted": len(keys), "keys": keys}, 202)
        state["code"] = refused.code
        return JSONResponse(refused.body(state["request_id"]), refused.status, refused.headers)

    async def _taken(self, request: Request, version: str | None) -> list[str]:
        state, limits = request.scope["state"], self.settings.limits
        check(self.settings, self.tokens, request.headers.get("authorization", ""), state.get("peer"))
        if self.health.error is not None:
            raise of_publish(self.health.error, limits.retry_seconds)
        with self.admission.enter() as lease:
            body = await read_body(request.headers, request.stream(), lease, limits)
            state["size"] = len(body)
            batch = await self._read(body, version)
            await self._publish(batch)
        return batch.keys

    async def _read(self, body: bytes, version: str | None) -> Batch:
        """Return the events; a large body is read on a thread, so that others are answered meanwhile."""
        read = partial(read_batch, body, now=self.clock(), version=version, versions=self.versions)
        try:
            if len(body) <= self.settings.limits.inline:
                return read()
            return await asyncio.get_running_loop().run_in_executor(self._beside, read)
        except BatchRefused as error:
            self.metrics.events.labels("refused").inc(len(error.refusals))
            raise of_batch(error) from None

    async def _publish(self, batch: Batch) -> None:
        seconds = self.settings.limits.publish_seconds
        try:
            with self.metrics.publish.time():  # the publisher gives up first, and knows why
                await publish(self.publisher, batch.records(self.settings.topic), seconds + 5)
        except DataOpsError as error:
            self.metrics.events.labels("failed").inc(len(batch.keys))
            self.health.failed(error)
            _LOG.warning("events were not published", extra={"code": error.code, "why": error.message})
            raise of_publish(error, self.settings.limits.retry_seconds) from None
        self.health.succeeded()
        self.metrics.events.labels("accepted").inc(len(batch.keys))

    async def ready(self) -> Response:
        """Say whether events can be published."""
        if self.health.stopping:
            return JSONResponse({"ready": False, "code": "STOPPING"}, 503)
        await self.health.look()
        error = self.health.error
        if error is None:
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": False, "code": error.code}, 503)

    @asynccontextmanager
    async def running(self, _app: Any) -> AsyncIterator[None]:
        """Watch the publisher; at the end, when no request is left, flush and close it."""
        watching = asyncio.create_task(self.health.watch())
        try:
            with ThreadPoolExecutor(1, "metadata-api") as self._beside:
                yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await asyncio.to_thread(self.publisher.close)
            _LOG.info("stopped")


def create_app(service: Service) -> Around:
    """Return the ASGI application of a service."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=service.running)
    document = openapi(service.versions)

    for version in service.versions.names:
        app.add_api_route(f"/{version}/metadata", _posting(service, version), methods=["POST"])
    app.add_api_route("/metadata", _posting(service, None), methods=["POST"])

    async def healthz() -> Response:
        return JSONResponse({"alive": True})

    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def described() -> Response:
        return JSONResponse(document)

    app.add_api_route("/healthz", healthz, methods=["GET"])
    app.add_api_route("/readyz", service.ready, methods=["GET"])
    app.add_api_route("/metrics", metrics, methods=["GET"])
    app.add_api_route("/openapi.json", described, methods=["GET"])
    return Around(app, service.metrics)


def _posting(service: Service, version: str | None) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        return await service.post(request, version)

    post.__annotations__ = {"request": Request, "return": Response}
    return post


__all__ = ["Service", "create_app"]
