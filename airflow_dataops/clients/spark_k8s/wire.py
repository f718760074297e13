# SPDX-License-Identifier: Apache-2.0
"""One request of HTTP, sent once: plain documents in and out. All clients of an event loop share its connections.

aiohttp is used as it is, and not through the generated client: that one has two seconds of imports, and models that later fields break.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow_dataops import __version__
from airflow_dataops.clients.google import Shared, off_loop
from airflow_dataops.clients.spark_k8s.errors import http_error, transport_error, unreadable
from airflow_dataops.clients.spark_k8s.settings import Access, Endpoint, KubeConfigError, KubeSettings
from airflow_dataops.core.errors import MissingDependency
from airflow_dataops.core.machine import CallError

if TYPE_CHECKING:
    import aiohttp

DEADLINE = 30.0
CONNECT_SECONDS = 10.0
_CONNECTIONS = 32
_HEADERS = {"Accept": "application/json", "User-Agent": f"airflow-dataops/{__version__}"}
_ACCESSES: Shared[Access] = Shared()


@dataclass
class _Sessions:
    """The connections of one event loop: kept ones to look, and a new one for each stream and each request that changes something.

    A kept connection may turn out to have been closed by the other side: then nobody knows whether a request on it was carried out.
    """

    looking: aiohttp.ClientSession
    changing: aiohttp.ClientSession
    users: int = 0


_SESSIONS: WeakKeyDictionary[asyncio.AbstractEventLoop, _Sessions] = WeakKeyDictionary()


class Wire:
    """Sends requests of one client."""

    def __init__(self, settings: KubeSettings) -> None:
        self._settings = settings
        self._access: Access | None = None
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Sessions] = WeakKeyDictionary()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        deadline: float = DEADLINE,
    ) -> Any:
        """Send a request once and return the document of its answer, or a :class:`CallError`.

        Args:
            method: ``GET``, ``POST``, ``DELETE``, ``PATCH``.
            path: Path of the API, with its leading slash.
            query: Parameters.
            body: Document to send.
            deadline: Seconds until the answer has to be there.

        Raises:
            MissingDependency: aiohttp, or what reads a kubeconfig, is not installed.
        """
        data = None if body is None else json.dumps(body).encode()
        try:
            async with self._response(method, path, query, data, deadline) as answer:
                read = await answer.read()
        except _Failed as failed:
            return failed.error
        try:
            return json.loads(read)
        except ValueError as error:
            return unreadable(error)

    async def stream(
        self, path: str, *, query: Mapping[str, str], deadline: float | None = DEADLINE, silence: float | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the pieces of an answer as they come.

        Args:
            path: Path of the API.
            query: Parameters.
            deadline: Seconds until all of it has to be there; None for never.
            silence: Seconds within which the next piece has to come; None for never.

        Raises:
            StreamError: It failed, or broke off.
            MissingDependency: aiohttp, or what reads a kubeconfig, is not installed.
        """
        try:
            async with self._response("GET", path, query, None, deadline, silence) as answer:
                async for piece in answer.content.iter_any():
                    yield piece
        except _Failed as failed:
            raise StreamError(failed.error) from failed

    async def close(self) -> None:
        """Let go of this event loop's connections; the last client closes them."""
        loop = asyncio.get_running_loop()
        sessions = self._loops.pop(loop, None)
        if sessions is not None:
            sessions.users -= 1
            if not sessions.users:
                _SESSIONS.pop(loop, None)
                await sessions.looking.close()
                await sessions.changing.close()
        if self._access is not None and not self._loops:
            _ACCESSES.release((self._settings,))
            self._access = None

    @asynccontextmanager
    async def _response(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        data: bytes | None,
        deadline: float | None,
        silence: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield an answer that is no error; whatever goes wrong until its end is a :class:`_Failed`."""
        sessions = await self._sessions()
        endpoint = await self._endpoint()
        import aiohttp

        connect = CONNECT_SECONDS if deadline is None else min(deadline, CONNECT_SECONDS)
        timeout = aiohttp.ClientTimeout(total=deadline, sock_read=silence, sock_connect=connect)
        kind = {} if data is None else {"Content-Type": "application/json"}
        options: dict[str, Any] = {
            "params": query,
            "data": data,
            "headers": {**_HEADERS, **endpoint.headers, **kind},
            "timeout": timeout,
        }
        session = sessions.looking if method == "GET" and deadline is not None else sessions.changing
        try:
            async with session.request(
                method, endpoint.host + path, allow_redirects=False, **options, **_way(endpoint)
            ) as answer:
                if not 200 <= answer.status < 300:
                    if answer.status == 401:
                        self._acquire().expire()
                    raise _Failed(http_error(answer.status, await answer.read()))
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _Failed(transport_error(error)) from error

    async def _endpoint(self) -> Endpoint:
        access = self._acquire()
        found = access.ready
        if found is not None:
            return found
        try:
            return await off_loop(access.load)
        except KubeConfigError as error:
            raise _Failed(CallError(error.code, error.message)) from error

    def _acquire(self) -> Access:
        if self._access is None:
            self._access = _ACCESSES.acquire((self._settings,), lambda: Access(self._settings))
        return self._access

    async def _sessions(self) -> _Sessions:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            await off_loop(_import_aiohttp)
            # No await from here on: two requests at once share what the first one makes.
            found = _SESSIONS.get(loop)
            if found is None:
                found = _SESSIONS[loop] = _Sessions(_session(keep=True), _session(keep=False))
            if loop not in self._loops:
                self._loops[loop] = found
                found.users += 1
        return self._loops[loop]


def _way(endpoint: Endpoint) -> dict[str, Any]:
    """Return how aiohttp gets to an endpoint; nothing where it finds the way itself."""
    way = {"ssl": endpoint.tls, "server_hostname": endpoint.server_name, "proxy": endpoint.proxy}
    return {name: value for name, value in way.items() if value}


class StreamError(Exception):
    """A stream failed or broke off.

    Attributes:
        error: How.
    """

    def __init__(self, error: CallError) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


class _Failed(Exception):
    def __init__(self, error: CallError) -> None:
        super().__init__(error.code)
        self.error = error


def _session(*, keep: bool) -> aiohttp.ClientSession:
    import aiohttp

    # aiohttp lets go of an idle connection after 15 seconds, before any load balancer does. Streams are not counted: looks would wait.
    limit = _CONNECTIONS if keep else 0
    connector = aiohttp.TCPConnector(limit=limit, force_close=not keep)
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=True)
    # Repetitions are decided by the core. aiohttp sends GET and DELETE a second time where the other side hangs up; a test counts requests.
    session._retry_connection = False
    return session


def _import_aiohttp() -> None:
    try:
        import aiohttp  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"{error.name} is not installed", hint='pip install "airflow-dataops[kubernetes]"'
        ) from error
