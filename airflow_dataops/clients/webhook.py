# SPDX-License-Identifier: Apache-2.0
"""Post JSON to an HTTP endpoint, with time-outs and further tries."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airflow_dataops.core.errors import SpecError, StorageError

_BUSY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Endpoint:
    """Where to post to; neither the path nor the headers are ever shown, both may hold a token.

    Attributes:
        url: ``https://host[:port]/path``, or ``http://``.
        headers: Further headers.
    """

    url: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def post(
    endpoint: Endpoint,
    body: dict[str, Any],
    *,
    timeout: float = 10.0,
    attempts: int = 3,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Post ``body`` and return the HTTP status, which is a 2xx.

    A busy or silent endpoint is asked again after 1, 2, 4 … seconds. A redirect is not followed: it could lead a token elsewhere.

    Args:
        endpoint: Where to.
        body: JSON-safe.
        timeout: Seconds for each try.
        attempts: Number of tries, at least 1.
        sleep: Waits between tries.

    Raises:
        SpecError: The address is no web address, or it or a header has characters that HTTP does not allow (``ALERT_ENDPOINT``).
        StorageError: It did not take the body (``ALERT_NOT_SENT``).
    """
    host, data, said = _host(endpoint), json.dumps(body, default=str).encode(), ""
    for attempt in range(max(attempts, 1)):
        if attempt:
            sleep(2.0 ** (attempt - 1))
        try:
            status = _send(endpoint, data, timeout)
        except (ValueError, http.client.InvalidURL):
            # What is wrong is not shown: the error quotes the path or the header, and a token is in it.
            raise _bad_address("holds characters that HTTP does not allow, such as a space or a line end") from None
        except (OSError, http.client.HTTPException) as error:
            said = f"{type(error).__name__}: {error}"
            continue
        if 200 <= status < 300:
            return status
        said = f"HTTP status {status}"
        if status not in _BUSY:
            break
    raise StorageError(f"the webhook at {host} did not take the alert: {said}", code="ALERT_NOT_SENT")


def _host(endpoint: Endpoint) -> str:
    try:
        parts = urlsplit(endpoint.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host:
        raise _bad_address("must begin with http:// or https:// and a host")
    return host


def _bad_address(what: str) -> SpecError:
    return SpecError(
        f"a webhook's address, or one of its headers, {what}",
        hint="look at the value that the route's reference names: it is not shown here, since it may hold a token",
        code="ALERT_ENDPOINT",
    )


def _send(endpoint: Endpoint, body: bytes, timeout: float) -> int:
    parts = urlsplit(endpoint.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, {"Content-Type": "application/json", **endpoint.headers})
        return connection.getresponse().status
    finally:
        connection.close()


__all__ = ["Endpoint", "post"]
