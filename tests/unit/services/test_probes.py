# SPDX-License-Identifier: Apache-2.0
"""The port of probes, over real HTTP."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

from airflow_dataops.services.probes import probes


@dataclass
class Asked:
    """Says what a test wants."""

    is_alive: bool = True
    is_ready: bool = True

    def text(self) -> bytes:
        return b"answers_total 1.0\n"


def ask(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def test_each_path_says_what_it_is_asked_for() -> None:
    asked = Asked()
    with probes(asked, "127.0.0.1", 0) as port:
        assert [ask(port, path)[0] for path in ("/healthz", "/readyz", "/v1/metadata")] == [200, 200, 404]
        assert ask(port, "/metrics") == (200, b"answers_total 1.0\n")
        asked.is_ready = False
        assert [ask(port, path)[0] for path in ("/healthz", "/readyz")] == [200, 503]
        asked.is_alive, asked.is_ready = False, True
        assert [ask(port, path)[0] for path in ("/healthz", "/readyz")] == [503, 503]
