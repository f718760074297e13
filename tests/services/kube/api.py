# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API as plain JSON, for setting up and looking: independent of the client that is tested."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3

from tests.services.kube.kube_server import KubeServer

JSON, MERGE, STRATEGIC = "application/json", "application/merge-patch+json", "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The API server answered with an error.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body[:1000]!r}")
        self.status = status


class Api:
    """Requests of one user: the administrator, or one with a token.

    Args:
        kube: The control plane.
        token: The user's; none for the administrator.
        patience: Seconds for which a server that cannot be reached is asked again and again.
    """

    def __init__(self, kube: KubeServer, token: str = "", *, patience: float = 0) -> None:
        certificate, key = map(str, kube.admin)
        identity = (
            {"headers": {"Authorization": f"Bearer {token}"}} if token else {"cert_file": certificate, "key_file": key}
        )
        self.url = kube.url
        self._patience = patience
        self._pool = urllib3.PoolManager(4, maxsize=32, ca_certs=str(kube.authority.file), **identity)

    def __call__(self, method: str, path: str, body: Any = None, kind: str = JSON, **query: str) -> Any:
        """Send a request and return its answer.

        Raises:
            ApiError: The answer is an error.
        """
        return json.loads(self.text(method, path, body, kind, **query))

    def text(self, method: str, path: str, body: Any = None, kind: str = JSON, **query: str) -> bytes:
        """Send a request and return the bytes of its answer."""
        headers = {**self._pool.headers, "Content-Type": kind}
        data = None if body is None else json.dumps(body)
        url = self.url + path + (f"?{urlencode(query)}" if query else "")
        answer = self._asked(method, url, data, headers)
        if answer.status >= 300:
            raise ApiError(answer.status, answer.data)
        return answer.data

    def _asked(self, method: str, url: str, data: str | None, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        end = time.monotonic() + self._patience
        while True:
            try:
                return self._pool.request(method, url, body=data, headers=headers, timeout=30, retries=2)
            except urllib3.exceptions.HTTPError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def get(self, path: str) -> Any | None:
        """Return an object; None where there is none."""
        try:
            return self("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def watch(self, path: str, **query: str) -> Iterator[Mapping[str, Any]]:
        """Yield events until the server ends the watch."""
        url = f"{self.url}{path}?{urlencode({**query, 'watch': '1'})}"
        timeout = urllib3.Timeout(connect=5, read=None)
        answer = self._pool.request("GET", url, preload_content=False, timeout=timeout, retries=False)
        try:
            if answer.status >= 300:
                raise ApiError(answer.status, answer.read())
            rest = b""
            for chunk in answer.stream(1 << 16):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from map(json.loads, lines)
        finally:
            answer.close()

    def close(self) -> None:
        """Let go of connections."""
        self._pool.clear()
