# SPDX-License-Identifier: Apache-2.0
"""Posting, against a real HTTP server."""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airflow_dataops.clients.webhook import Endpoint, post
from airflow_dataops.core.errors import SpecError, StorageError


class Server:
    """Answers with the next of ``answers``; a number of seconds below 1 means: stay silent that long first."""

    def __init__(self) -> None:
        self.answers: list[float] = []
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.seen.append((self.path, dict(self.headers), body))
                answer = outer.answers.pop(0) if outer.answers else 200
                if answer < 10:
                    time.sleep(answer)
                    answer = 200
                self.send_response(int(answer))
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_json_headers_path_and_query_arrive(server: Server) -> None:
    assert post(Endpoint(f"{server.url}/a/b?c=d", {"Authorization": "Bearer t"}), {"x": "ü"}) == 200
    path, headers, body = server.seen[0]
    assert (path, headers["Authorization"], headers["Content-Type"], body) == (
        "/a/b?c=d",
        "Bearer t",
        "application/json",
        {"x": "ü"},
    )


def test_a_busy_endpoint_is_asked_again_later_each_time(server: Server) -> None:
    server.answers = [503, 429, 200]
    waits: list[float] = []
    assert post(Endpoint(server.url), {}, sleep=waits.append) == 200
    assert (len(server.seen), waits) == (3, [1.0, 2.0])


def test_an_endpoint_that_stays_busy_is_given_up(server: Server) -> None:
    server.answers = [503] * 9
    with pytest.raises(StorageError, match=r"127\.0\.0\.1 did not take the alert: HTTP status 503") as caught:
        post(Endpoint(server.url), {}, attempts=2, sleep=lambda seconds: None)
    assert (len(server.seen), caught.value.code) == (2, "ALERT_NOT_SENT")


def test_a_silent_endpoint_is_given_up_in_time(server: Server) -> None:
    server.answers = [1.5, 1.5]
    with pytest.raises(StorageError, match="timed out"):
        post(Endpoint(server.url), {}, timeout=0.2, attempts=2, sleep=lambda seconds: None)


def test_nobody_there(server: Server) -> None:
    with pytest.raises(StorageError, match="refused"):
        post(Endpoint("http://127.0.0.1:1/"), {}, attempts=1)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404])
def test_what_will_not_change_is_not_asked_again_and_no_redirect_followed(server: Server, status: int) -> None:
    server.answers = [status]
    with pytest.raises(StorageError, match=str(status)):
        post(Endpoint(server.url), {})
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/x",
        "file:///etc/passwd",
        "host/path",
        "http:///x",
        "http://h:x/",
        "http://[x/",
        "http://h:99999/",
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(SpecError) as caught:
        post(Endpoint(url), {})
    assert caught.value.code == "ALERT_ENDPOINT"


@pytest.mark.parametrize(
    ("path", "token"),
    [("/hooks/s3cr3t with a space", "t"), ("/hooks/s3cr3t-ü", "t"), ("/x", "s3cr3t\n"), ("/x", "s3cr3t-€")],
)
def test_a_secret_that_http_does_not_allow_is_refused_and_not_shown(server: Server, path: str, token: str) -> None:
    with pytest.raises(SpecError) as caught:
        post(Endpoint(server.url + path, {"Authorization": f"Bearer {token}"}), {})
    assert caught.value.code == "ALERT_ENDPOINT"
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cr3t" not in shown
    assert server.seen == []


def test_neither_path_nor_token_are_shown_in_errors(server: Server) -> None:
    server.answers = [401]
    endpoint = Endpoint(f"{server.url}/hooks/T0K3N", {"Authorization": "Bearer S3CR3T"})
    with pytest.raises(StorageError) as caught:
        post(endpoint, {})
    assert "T0K3N" not in str(caught.value) + repr(endpoint)
    assert "S3CR3T" not in str(caught.value) + repr(endpoint)
