# SPDX-License-Identifier: Apache-2.0
"""What is around every request: its id, its count, and its line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Any

from airflow_dataops.services.metadata_api.metrics import Metrics

_LOG = logging.getLogger(__name__)
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Around:
    """An ASGI application around another one.

    Args:
        app: The other one.
        metrics: Counts.
    """

    def __init__(self, app: Any, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = request_id = _request_id(scope["headers"])
        began, status = time.monotonic(), 0

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            self._metrics.requests.labels(str(status or 500)).inc()
            _told(scope, status or 500, time.monotonic() - began)


def _request_id(headers: Any) -> str:
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode() if _ID.fullmatch(given) else uuid.uuid4().hex


def _told(scope: Any, status: int, seconds: float) -> None:
    state = scope["state"]
    level = logging.DEBUG if scope["path"] in _QUIET else logging.INFO
    if not _LOG.isEnabledFor(level):
        return
    extra = {"method": scope["method"], "path": scope["path"][:200], "status": status, "seconds": round(seconds, 4)}
    more = {
        name: state[name] for name in ("request_id", "code", "events", "size", "peer") if state.get(name) is not None
    }
    _LOG.log(level, "request", extra={**extra, **more})


__all__ = ["Around"]
