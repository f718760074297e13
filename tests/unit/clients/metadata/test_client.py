# SPDX-License-Identifier: Apache-2.0
"""The client against a server that answers what it is told to."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.metadata import Batching, MetadataClient, NotSent
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.metadata.faults import EventRefused
from tests.unit.core.metadata.events import NOW, event

pytest.importorskip("urllib3")
Reply = tuple[int, dict[str, str], Any]
OK: Reply = (202, {}, {})


class Server:
    """Answers in turn what it was given, and then 202; keeps what came."""

    def __init__(self) -> None:
        self.answers: list[Reply | None] = []  # None: it hangs up
        self.requests: list[tuple[dict[str, str], list[Any]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.requests.append((dict(self.headers), body))
                reply = server.answers.pop(0) if server.answers else OK
                if reply is None:
                    self.close_connection = True
                    return
                status, headers, told = reply
                data = json.dumps(told).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def sizes(self) -> list[int]:
        return [len(body) for _, body in self.requests]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def client(server: Server, **options: Any) -> MetadataClient:
    return MetadataClient(server.url, **{"sleep": lambda _: None, "clock": lambda: NOW, **options})


def keys(server: Server) -> list[str]:
    return [one["idempotency_key"] for _, body in server.requests for one in body]


def test_events_go_in_batches_and_the_rest_at_the_end(server: Server) -> None:
    with client(server, batching=Batching(events=3), token="t0ken") as sending:
        given = [sending.send(event(idempotency_key=f"k-{number}")) for number in range(7)]
        assert server.sizes() == [3, 3]
    assert server.sizes() == [3, 3, 1]
    assert keys(server) == given
    assert sending.accepted == 7
    assert server.requests[0][0]["Authorization"] == "Bearer t0ken"


def test_a_batch_is_sent_when_it_is_large_or_old(server: Server) -> None:
    with client(server, batching=Batching(size=1500)) as sending:
        for number in range(4):
            sending.send(event(idempotency_key=f"k-{number}"))
    assert max(server.sizes()) == 2
    with client(server, batching=Batching(seconds=0)) as sending:
        sending.send(event())
        assert server.sizes()[-1] == 1


def test_an_event_that_is_not_valid_is_told_here_and_the_others_go(server: Server) -> None:
    with client(server) as sending:
        sending.send(event())
        with pytest.raises(EventRefused, match=r"object\.size"):
            sending.send(event(object__size=-1))
    assert server.sizes() == [1]


def test_the_same_event_has_the_same_key_without_one(server: Server) -> None:
    with client(server) as sending:
        assert sending.send(event()) == sending.send(event(schema_version=None, extracted_at="2026-02-01T00:00:00Z"))


@pytest.mark.parametrize("busy", [(429, {"Retry-After": "7"}, {}), (503, {}, {}), None])
def test_what_may_pass_is_tried_again_after_a_while(server: Server, busy: Reply | None) -> None:
    server.answers = [busy, busy]
    waits: list[float] = []
    with client(server, sleep=waits.append) as sending:
        sending.send(event())
    assert server.sizes() == [1, 1, 1]
    assert len(waits) == 2
    if busy is not None and "Retry-After" in busy[1]:
        assert min(waits) >= 7


@pytest.mark.parametrize(
    "answer", [(401, {}, {"code": "TOKEN", "message": "no"}), (503, {}, {"code": "KAFKA_UNREACHABLE"}), None]
)
def test_what_is_not_accepted_is_raised_with_its_events(server: Server, answer: Reply | None) -> None:
    server.answers = [answer] * 100
    sending = client(server, give_up=0)
    sending.send(event(idempotency_key="mine"))
    with pytest.raises(NotSent) as lost:
        sending.close()
    assert [one["idempotency_key"] for one in lost.value.events] == list(lost.value.why) == ["mine"]
    assert "t0ken" not in str(lost.value)


def test_a_block_that_fails_still_sends_what_it_gave(server: Server) -> None:
    def work() -> None:
        with client(server) as sending:
            sending.send(event())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert server.sizes() == [1]


def test_a_batch_that_is_too_large_is_halved_and_one_that_is_refused_in_part_goes_without(server: Server) -> None:
    server.answers = [(413, {}, {}), (422, {}, {"faults": [{"index": 1, "path": "a", "received": "b", "valid": "c"}]})]
    sending = client(server)
    for number in range(4):
        sending.send(event(idempotency_key=f"k-{number}"))
    with pytest.raises(NotSent) as lost:
        sending.flush()
    assert server.sizes() == [4, 2, 1, 2]
    assert lost.value.why == {"k-1": "a: received b; valid is c"}
    assert sending.accepted == 3


def test_what_was_not_accepted_waits_in_the_spool(server: Server, tmp_path: Path) -> None:
    spool = tmp_path / "spool.jsonl"
    server.answers = [(401, {}, {})]
    first = client(server, spool=spool)
    first.send(event(idempotency_key="k-1"))
    with pytest.raises(NotSent, match="send_spooled"):
        first.close()
    server.answers = [(401, {}, {})]
    second = client(server, spool=spool)
    with pytest.raises(NotSent):
        second.send_spooled()
    server.requests.clear()
    assert (second.send_spooled(), second.send_spooled()) == (1, 0)
    assert keys(server) == ["k-1"]
    assert not spool.exists()


def test_an_event_that_is_given_while_others_are_refused_is_not_lost(server: Server, tmp_path: Path) -> None:
    server.answers = [(400, {}, {"code": "X", "message": "no"})]
    spool = tmp_path / "spool"
    with client(server, spool=spool, batching=Batching(size=1500)) as sender:
        sender.send(event(idempotency_key="a", extracted__attributes={"x": "x" * 900}))
        with pytest.raises(NotSent) as lost:
            sender.send(event(idempotency_key="b", extracted__attributes={"x": "x" * 900}))
        assert [one["idempotency_key"] for one in lost.value.events] == ["a"]
    assert keys(server) == ["a", "b"]
    assert sender.accepted == 1


def test_a_spool_that_somebody_died_with_is_sent_whole(server: Server, tmp_path: Path) -> None:
    spool = tmp_path / "spool.jsonl"
    from airflow_dataops.core.metadata.wire import take

    lines = [take(event(idempotency_key=key), now=NOW).wire + b"\n" for key in ("a", "b")]
    spool.with_name("spool.jsonl.sending").write_bytes(lines[0])
    spool.write_bytes(lines[1])
    assert client(server, spool=spool).send_spooled() == 2
    assert keys(server) == ["a", "b"]
    spool.with_name("spool.jsonl.sending").write_bytes(lines[0])
    assert client(server, spool=spool).send_spooled() == 1


def test_an_interrupt_loses_nothing(server: Server, tmp_path: Path) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    server.answers = [(503, {}, {})] * 2
    sending = client(server, sleep=interrupted, spool=tmp_path / "spool")
    sending.send(event(idempotency_key="k"))
    with pytest.raises(KeyboardInterrupt):
        sending.close()
    assert client(server, spool=tmp_path / "spool").send_spooled() == 1


@pytest.mark.parametrize(
    "url", ["metadata.example.com", "ftp://x", "https://", "https://user:pw@x", "https://x?token=1"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SpecError) as refused:
        MetadataClient(url)
    assert "pw" not in str(refused.value)


def test_it_loads_neither_airflow_nor_kafka() -> None:
    code = (
        "import sys; from airflow_dataops.clients.metadata import MetadataClient; MetadataClient('http://127.0.0.1');"
        "print({'airflow', 'confluent_kafka', 'fastapi', 'pyarrow', 'duckdb'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
