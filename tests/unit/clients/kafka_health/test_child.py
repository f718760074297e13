# SPDX-License-Identifier: Apache-2.0
"""The process that asks Kafka, where there is none."""

from __future__ import annotations

import importlib.util
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.kafka_health.probe import COMMAND, KafkaAccess
from airflow_dataops.core.kafka_health.asking import GroupAsk
from tests.house.tree import run_python
from tests.services.kube.authority import Authority

NEEDS_CLIENT = "needs confluent-kafka: pip install 'airflow-dataops[kafka]'"
needs_client = pytest.mark.skipif(importlib.util.find_spec("confluent_kafka") is None, reason=NEEDS_CLIENT)


def answers(settings: dict[str, Any], *groups: str, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Return what the process answers; nothing but its answers is on either stream."""
    asks = [GroupAsk(group).document() for group in groups]
    request = {**KafkaAccess(settings).request, "asks": asks, "seconds": 2}
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()  # and it stays open, as its end would end the process
    told = [json.loads(line) for line in process.stdout]
    assert (process.wait(), process.stderr.read()) == (0, "")
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()
    assert [one["ask"] for one in told] == list(range(len(groups)))
    return [one["snapshot"] for one in told]


def errors(found: list[dict[str, Any]]) -> set[str]:
    return {one["error"]["code"] for one in found}


def test_it_loads_neither_airflow_nor_what_takes_long() -> None:
    loaded = run_python(
        "import sys, airflow_dataops.clients.kafka_health.child, airflow_dataops.clients.kafka_health.budget\n"
        "import airflow_dataops.clients.kafka_health.reader\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    assert set(loaded.split()) & {"airflow", "asyncio", "confluent_kafka", "pydantic", "sqlglot"} == set()


def test_the_parent_never_loads_the_client() -> None:
    loaded = run_python("import sys, airflow_dataops.clients.kafka_health.probe; print(*sys.modules)")
    assert "confluent_kafka" not in {name.split(".")[0] for name in loaded.split()}


def test_without_the_client_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "confluent_kafka.py").write_text("raise ImportError('librdkafka.so.1: cannot open shared object file')")
    root = str(Path(__file__).parents[4])
    found = answers({"bootstrap.servers": "a:1"}, "g", "h", env={"PYTHONPATH": f"{tmp_path}:{root}"})
    assert errors(found) == {"PROBE_NOT_INSTALLED"}
    assert "pip install 'airflow-dataops[kafka]'" in found[0]["error"]["message"]


@needs_client
@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({}, "PROBE_SETTINGS", "bootstrap.servers"),
        ({"bootstrap.servers": "a:1", "sasl.usernam": "x"}, "PROBE_SETTINGS", '"sasl.usernam"'),
        ({"bootstrap.servers": "a:1", "security.protocol": "x"}, "PROBE_SETTINGS", '"security.protocol"'),
        ({"bootstrap.servers": "no-such-host.invalid:9092"}, "_RESOLVE", "no-such-host.invalid:9092"),
    ],
)
def test_what_is_wrong_with_a_connection_is_told(settings: dict[str, Any], code: str, said: str) -> None:
    found = answers(settings, "g", "h")
    assert errors(found) == {code}
    assert said in found[0]["error"]["message"]


@needs_client
@pytest.mark.parametrize("listens", [False, True])
def test_nobody_answers(listens: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if listens:
            taken.listen()  # as a broker does that hangs
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        found = answers({"bootstrap.servers": address}, "g")
    assert errors(found) <= {"_TRANSPORT", "_TIMED_OUT"}
    assert listens or address in found[0]["error"]["message"]


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Authority]]:
    """A server that takes only those with a certificate of its authority, and then says nothing; its address."""
    authority = Authority(tmp_path / "authority")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.load_cert_chain(*authority.server("server", "server", ips=("127.0.0.1",)))
    context.verify_mode = ssl.CERT_REQUIRED

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as inside:
                    inside.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", authority
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@needs_client
@pytest.mark.parametrize(("own", "certificate"), [(False, True), (True, False)])
def test_a_certificate_that_is_refused_is_told_as_such(
    tls: tuple[str, Authority], tmp_path: Path, own: bool, certificate: bool
) -> None:
    address, authority = tls
    trusted = authority if own else Authority(tmp_path / "stranger")
    settings = {"bootstrap.servers": address, "security.protocol": "SSL", "ssl.ca.location": str(trusted.file)}
    if certificate:
        pair = authority.user("user", "user")
        settings |= {"ssl.certificate.location": str(pair[0]), "ssl.key.location": str(pair[1])}
    found = answers(settings, "g")
    assert errors(found) == {"_SSL"}, found
    assert "certificate" in found[0]["error"]["message"]


@needs_client
def test_a_secret_is_hidden_in_what_is_told_and_nowhere_else() -> None:
    settings = {"bootstrap.servers": "secret-word.invalid:1", "sasl.password": "secret-word"}
    found = answers(settings, "secret-word")
    assert found[0]["group"] == "secret-word"
    assert "secret-word" not in found[0]["error"]["message"]
