# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from airflow_dataops.clients.spark_k8s import pod_log
from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.clients.spark_k8s.pod_log import PodLog
from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.core.spark_k8s.log_cursor import GAP, LOST, LogCursor
from tests.unit.clients.logs import lines_of
from tests.unit.clients.spark_k8s.server import DROP, Answer, Server

pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'airflow-dataops[kubernetes]'")

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclass
class Node:
    """A pod of one container on a node; each start of it has a log."""

    logs: list[list[tuple[datetime, str]]] = field(default_factory=lambda: [[]])
    seconds: float = 0
    ended: bool = False
    uid: str = "u"
    fails: list[Answer] = field(default_factory=list)
    on_log: Any = None

    def write(self, *texts: str) -> None:
        for text in texts:
            self.seconds += 0.4
            self.logs[-1].append((NOON + timedelta(seconds=self.seconds), text))

    def answer(self, path: str) -> Answer:
        url = urlparse(path)
        if not url.path.endswith("/log"):
            return 200, self.pod()
        if self.fails:
            return self.fails.pop(0)
        if self.on_log:
            on_log, self.on_log = self.on_log, None
            on_log()
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        number = len(self.logs) - (2 if "previous" in query else 1)
        if number < 0:
            return 400, {"message": "previous terminated container not found"}
        since = datetime.fromisoformat(query.get("sinceTime", "2000-01-01T00:00:00Z"))
        shown = [f"{time.isoformat()} {text}\n" for time, text in self.logs[number] if time >= since]
        return 200, "".join(shown).encode()

    def pod(self) -> dict[str, Any]:
        here = len(self.logs)
        state = {"terminated": {"containerID": f"c{here}", "exitCode": 0}} if self.ended else {"running": {}}
        last = {"terminated": {"containerID": f"c{here - 1}"}} if here > 1 else {}
        box = {"name": "main", "state": state, "lastState": last, "containerID": f"c{here}"}
        return {"metadata": {"name": "p", "uid": self.uid}, "status": {"phase": "Running", "containerStatuses": [box]}}


@pytest.fixture
def node(server: Server) -> Node:
    made = Node()
    server.answer = made.answer
    return made


class Reader:
    """Reads in a process of its own each time: only the cursor is kept."""

    def __init__(self, server: Server) -> None:
        self.cursor, self.url = LogCursor(), server.url

    def __call__(self) -> list[str]:
        return asyncio.run(self._read())

    async def _read(self) -> list[str]:
        async with SparkKubeClient(KubeSettings(host=self.url)) as client:
            log = PodLog(client, LogCursor.model_validate_json(self.cursor.model_dump_json()))
            lines = await lines_of(log, "p")
            self.cursor = log.cursor
            return lines


@pytest.fixture
def read(server: Server, node: Node) -> Reader:
    return Reader(server)


def test_lines_are_told_once_in_order(node: Node, read: Reader) -> None:
    node.write("a", "b")
    first = read()
    node.write("c", "c")
    assert (first, read(), read()) == (["a", "b"], ["c", "c"], [])


def test_the_rest_of_an_earlier_start_comes_before_the_present_one(node: Node, read: Reader) -> None:
    node.write("a")
    first = read()
    node.write("b")
    node.logs.append([])
    node.write("c")
    assert (first, read(), read()) == (["a"], ["b", "c"], [])


def test_starts_that_nobody_keeps_are_said(node: Node, read: Reader) -> None:
    node.write("a")
    first = read()
    for text in "bcd":
        node.logs.append([])
        node.write(text)
    assert (first, read(), read()) == (["a"], [LOST, "c", "d"], [])


def test_a_container_that_is_started_again_between_status_and_log_is_not_mixed_up(node: Node, read: Reader) -> None:
    def start_again() -> None:
        node.write("b")
        node.logs.append([])
        node.write("c")

    node.write("a")
    first = read()
    node.on_log = start_again
    assert (first, read(), read()) == (["a"], ["b", "c"], [])


def test_the_first_read_may_meet_a_new_start_too(node: Node, read: Reader) -> None:
    def start_again() -> None:
        node.logs.append([])
        node.write("b")

    node.write("a")
    node.on_log = start_again
    assert (read(), read()) == (["a", "b"], [])


def test_a_rotated_log_goes_on(node: Node, read: Reader) -> None:
    node.write("a", "b", "c")
    first = read()
    node.write("d")
    del node.logs[0][:2]
    assert (first, read(), read()) == (["a", "b", "c"], ["d"], [])


def test_what_was_rotated_away_unread_is_said(node: Node, read: Reader) -> None:
    node.write("a")
    read()
    node.write("b", "c")
    del node.logs[0][:2]
    assert (read(), read()) == ([GAP, "c"], [])


def test_an_answer_that_is_lost_is_trouble_told_once_and_no_line_is(node: Node, read: Reader) -> None:
    node.write("a")
    node.fails = [DROP, (500, {"message": "etcd"})]
    assert [line.split(":")[0] for line in read()] == ["(the log cannot be read for now"]
    assert read()[0].startswith("(the log cannot be read for now: SERVER")
    assert read() == ["a"]


def test_a_container_that_was_not_started_has_no_lines(node: Node, read: Reader) -> None:
    node.fails = [(400, {"message": "container is waiting to start"})]
    node.write("a")
    assert (read(), read()) == ([], ["a"])


def test_a_pod_that_is_gone_has_no_lines(server: Server, read: Reader) -> None:
    server.answer = lambda path: (404, {})
    assert read() == []


def test_a_large_log_is_read_in_pieces(node: Node, read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_log, "LARGEST_READ", 1000)
    written = [f"{number} {'x' * 900}" for number in range(400)]
    node.write(*written)
    node.ended = True
    told: list[str] = []
    while lines := read():
        told += lines
    assert told == written


def test_of_an_ended_container_also_the_unfinished_line_is_told(server: Server, node: Node, read: Reader) -> None:
    server.answer = lambda path: (200, b"2026-01-02T12:00:00Z last words") if "/log" in path else node.answer(path)
    unfinished = read()
    node.ended = True
    assert (unfinished, read(), read()) == ([], ["last words"], [])


def test_a_long_answer_is_read_beside_the_event_loop(node: Node, read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def tell(*args: Any, **more: Any) -> Any:
        seen.append(threading.current_thread() is threading.main_thread())
        return real(*args, **more)

    real = pod_log.tell
    monkeypatch.setattr(pod_log, "tell", tell)
    node.write("a")
    assert (read(), seen) == (["a"], [True])
    node.write(*["x" * 100] * 1000)
    assert (len(read()), seen) == (1000, [True, False])
