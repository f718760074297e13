# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, TypeVar

import pytest

from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.core.machine import Accepted, CallError, Gone
from airflow_dataops.core.spark_k8s.answers import Answer, answer_of
from tests.services.ports import free_port
from tests.unit.clients.spark_k8s.server import DROP, HANG, Server

pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'airflow-dataops[kubernetes]'")

_T = TypeVar("_T")


def asked(settings: KubeSettings, do: Callable[[SparkKubeClient], Awaitable[_T]], deadline: float = 20) -> _T:
    async def main() -> _T:
        async with SparkKubeClient(settings) as client:
            client.deadline = deadline
            return await do(client)

    return asyncio.run(main())


def get(client: SparkKubeClient) -> Awaitable[Any]:
    return client.get("pods/p")


def create(client: SparkKubeClient) -> Awaitable[Any]:
    return client.create("configmaps", {"metadata": {"name": "c"}})


def delete(client: SparkKubeClient) -> Awaitable[Any]:
    return client.delete("pods", "p", uid="u")


EVERY = pytest.mark.parametrize("do", [get, create, delete])


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "BAD_REQUEST"),
        (401, "UNAUTHORIZED"),
        (403, "FORBIDDEN"),
        (404, "NOT_FOUND"),
        (409, "CONFLICT"),
        (410, "GONE"),
        (413, "TOO_LARGE"),
        (418, "OTHER"),
        (422, "INVALID"),
        (429, "TOO_MANY"),
        (500, "SERVER"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "TIMEOUT"),
        (599, "SERVER"),
    ],
)
def test_each_status_has_a_name_and_the_servers_words(server: Server, status: int, code: str) -> None:
    server.answer = lambda path: (status, {"kind": "Status", "message": "because"})
    assert asked(KubeSettings(host=server.url), create) == CallError(code, "because")


@EVERY
def test_a_request_whose_answer_is_lost_is_not_sent_again(server: Server, do: Callable[..., Awaitable[Any]]) -> None:
    server.answer = lambda path: DROP
    found = asked(KubeSettings(host=server.url), do)
    assert (found.code, len(server.seen)) == ("LOST", 1)


@EVERY
def test_a_server_that_says_nothing_is_given_up_in_time(server: Server, do: Callable[..., Awaitable[Any]]) -> None:
    server.answer = lambda path: HANG
    found = asked(KubeSettings(host=server.url), do, deadline=0.3)
    assert (found.code, len(server.seen)) == ("TIMEOUT", 1)


@EVERY
def test_a_redirect_is_not_followed(server: Server, do: Callable[..., Awaitable[Any]]) -> None:
    server.answer = lambda path: (302, b"")
    assert (asked(KubeSettings(host=server.url), do).code, len(server.seen)) == ("OTHER", 1)


def test_a_server_that_is_not_there_was_surely_not_told() -> None:
    found = asked(KubeSettings(host=f"http://127.0.0.1:{free_port()}"), create)
    assert (found.code, answer_of(found)) == ("UNAVAILABLE", Answer.LATER)


@pytest.mark.parametrize("host", ["http://", "http://[::1", "nonsense"])
def test_an_address_that_is_none_is_an_answer(host: str) -> None:
    assert asked(KubeSettings(host=host), get).code in ("UNAVAILABLE", "LOST")


def test_a_proxys_page_is_told_in_one_line(server: Server) -> None:
    server.answer = lambda path: (502, b"<html>\n<h1>Bad Gateway</h1>\n</html>" + b" " * 5000)
    assert asked(KubeSettings(host=server.url), get).message == "HTTP 502: <html> <h1>Bad Gateway</h1> </html>"


def test_a_login_page_instead_of_a_document_says_nothing_about_the_request(server: Server) -> None:
    server.answer = lambda path: (200, b"<html>log in</html>")
    assert asked(KubeSettings(host=server.url), create).code == "LOST"


def test_a_token_in_an_answer_is_not_told(server: Server) -> None:
    server.answer = lambda path: (403, {"message": "no: Bearer eyJhbGciOi.eyJzdWIi.c2ln"})
    assert "eyJ" not in asked(KubeSettings(host=server.url), get).message


def test_what_is_not_there_is_gone_when_looked_at(server: Server) -> None:
    server.answer = lambda path: (404, {"message": "not found"})
    assert asked(KubeSettings(host=server.url), get) == Gone()


def test_a_delete_says_which_object_it_means(server: Server) -> None:
    assert asked(KubeSettings(host=server.url, namespace="n"), delete) == Accepted()
    assert server.seen == ["DELETE /api/v1/namespaces/n/pods/p"]
    assert server.bodies[0]["preconditions"] == {"uid": "u"}


def test_a_token_that_was_refused_is_fetched_anew(server: Server) -> None:
    numbers = count(1)
    server.answer = lambda path: (401 if server.headers["Authorization"] == "Bearer t1" else 200, {})

    async def twice(client: SparkKubeClient) -> list[Any]:
        return [await client.get("pods/p"), await client.get("pods/p"), await client.get("pods/p")]

    found = asked(KubeSettings(host=server.url, token=lambda: f"t{next(numbers)}"), twice)
    assert [getattr(one, "code", one) for one in found] == ["UNAUTHORIZED", {}, {}]
    assert server.headers["Authorization"] == "Bearer t2"


def test_a_token_that_cannot_be_had_is_an_answer(server: Server) -> None:
    def token() -> str:
        raise OSError("no vault")

    found = asked(KubeSettings(host=server.url, token=token), get)
    assert (found.code, server.seen) == ("KUBECONFIG_INVALID", [])
    assert "no vault" in found.message


def test_a_list_is_read_to_its_last_page(server: Server) -> None:
    pages = {"": ("one", "next"), "next": ("two", "")}

    def answer(path: str) -> tuple[int, Any]:
        name, more = pages["next" if "continue=next" in path else ""]
        return 200, {"items": [name], "metadata": {"continue": more}}

    server.answer = answer
    assert asked(KubeSettings(host=server.url), lambda client: client._observer.pages("pods", {})) == ["one", "two"]


def test_a_stream_that_breaks_off_says_so(server: Server) -> None:
    server.answer = lambda path: (200, b"x" * 100)

    async def read(client: SparkKubeClient) -> bytes:
        return b"".join([part async for part in client.stream("pods/p/log", {"tailLines": "1"})])

    assert asked(KubeSettings(host=server.url), read) == b"x" * 100
    assert server.seen == ["GET /api/v1/namespaces/default/pods/p/log?tailLines=1"]


def test_clients_of_one_loop_share_connections_until_the_last_one_is_closed(server: Server) -> None:
    async def main() -> list[Any]:
        first, second = (SparkKubeClient(KubeSettings(host=server.url)) for _ in range(2))
        found = [await first.get("pods/p"), await second.get("pods/p")]
        await first.aclose()
        found.append(await second.get("pods/p"))
        await second.aclose()
        await second.aclose()
        return [*found, await first.get("pods/p"), await first.aclose()]

    assert asyncio.run(main()) == [{}, {}, {}, {}, None]


def test_a_client_works_in_one_loop_after_another(server: Server) -> None:
    client = SparkKubeClient(KubeSettings(host=server.url))

    async def once() -> Any:
        found = await client.get("pods/p")
        await client.aclose()
        return found

    assert [asyncio.run(once()), asyncio.run(once())] == [{}, {}]


def test_a_certificate_of_nobody_known_is_not_trusted(tmp_path: Any) -> None:
    authority = pytest.importorskip("tests.services.kube.authority", reason="needs cryptography")
    pair = authority.Authority(tmp_path).server("s", "s", ips=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, pair))
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as listening:

        def serve() -> None:
            try:
                with context.wrap_socket(listening.accept()[0], server_side=True):
                    pass
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        found = asked(KubeSettings(host=f"https://127.0.0.1:{port}"), get)
        thread.join(60)
    assert (found.code, answer_of(found)) == ("UNTRUSTED", Answer.NEVER)
