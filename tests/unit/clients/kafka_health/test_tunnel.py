# SPDX-License-Identifier: Apache-2.0
"""The way through a bastion, at an SSH server that knows names which nobody else does."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("asyncssh", reason="needs asyncssh: pip install 'airflow-dataops[kafka-bastion]'")
pytest.importorskip("kafka.net", reason="needs kafka-python: pip install 'airflow-dataops[kafka-bastion]'")

import asyncssh

from airflow_dataops.clients.kafka_health.budget import Budget
from airflow_dataops.clients.kafka_health.cluster import Unread
from airflow_dataops.clients.kafka_health.probe import KafkaAccess, probe
from airflow_dataops.clients.kafka_health.tunnel import Tunnel
from airflow_dataops.core.kafka_health.answers import code_of
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.bastion import Bastion
from airflow_dataops.core.kafka_health.causes import BASTION_REFUSED, BASTION_UNREACHABLE, Told
from airflow_dataops.core.kafka_health.codes import Code
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot
from tests.services import ssh_server

PASSWORD, NAME, LONG = "correct-horse-battery", "broker-1.kafka.internal", 60.0


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says everything back; its port."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=back, args=(connection,), daemon=True).start()

    def back(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while chunk := connection.recv(1 << 16):
                connection.sendall(chunk)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_private_key(passphrase="open-sesame").decode()


@pytest.fixture
def ssh(key: str) -> Iterator[ssh_server.Bastion]:
    public = asyncssh.import_private_key(key, "open-sesame").export_public_key().decode()
    known = {"names": {NAME: "127.0.0.1"}, "passwords": {"ops": PASSWORD}, "keys": {"robot": public}}
    with ssh_server.bastion(**known) as found:
        yield found


def at(ssh: ssh_server.Bastion) -> Bastion:
    return Bastion("127.0.0.1", ssh.port, "ops", PASSWORD, host_key=ssh.host_key)


def said(way: socket.socket, words: bytes) -> bytes:
    """Return what comes back."""
    with way:
        way.settimeout(LONG)
        sender = threading.Thread(target=way.sendall, args=(words,))
        sender.start()
        found = bytearray()
        while len(found) < len(words) and (chunk := way.recv(1 << 16)):
            found += chunk
        sender.join()
    return bytes(found)


def test_bytes_go_and_come_by_names_that_only_the_bastion_knows(ssh: ssh_server.Bastion, echo: int) -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(NAME, echo)
    tunnel, words = Tunnel(at(ssh), Budget(LONG)), bytes(range(256)) * 20_000
    ways = [tunnel.way(NAME, echo) for _ in range(3)]
    assert [said(way, words) for way in ways] == [words] * 3
    assert ssh.asked == [f"{NAME}:{echo}"] * 3
    assert tunnel.heard == []


@pytest.mark.parametrize("as_file", [False, True])
def test_a_key_that_a_passphrase_opens(
    ssh: ssh_server.Bastion, key: str, echo: int, as_file: bool, tmp_path: Path
) -> None:
    bastion = replace(at(ssh), user="robot", password="", passphrase="open-sesame")
    (tmp_path / "key").write_text(key)
    held = replace(bastion, key_file=str(tmp_path / "key")) if as_file else replace(bastion, private_key=key)
    assert said(Tunnel(held, Budget(LONG)).way(NAME, echo), b"hello") == b"hello"


def why(bastion: Bastion, seconds: float = LONG) -> Told:
    with pytest.raises(Unread) as raised:
        Tunnel(bastion, Budget(seconds))
    assert PASSWORD not in raised.value.why.message
    return raised.value.why


def test_a_server_whose_key_is_not_the_bastions_gets_no_password(ssh: ssh_server.Bastion) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    found = why(replace(at(ssh), host_key=other))
    assert found.code == BASTION_REFUSED
    assert "host_key" in found.message
    assert ssh.logins == []


def test_a_server_that_nobody_knows_gets_no_password_either(
    ssh: ssh_server.Bastion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    stranger = replace(at(ssh), host_key="")
    assert why(stranger).code == BASTION_REFUSED
    assert ssh.logins == []
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{ssh.port} {ssh.host_key}\n")
    Tunnel(stranger, Budget(LONG))
    Tunnel(replace(stranger, check_host_key=False), Budget(LONG))
    assert ssh.logins == ["ops", "ops"]


def test_a_wrong_password_and_a_wrong_key(ssh: ssh_server.Bastion, key: str) -> None:
    assert why(replace(at(ssh), password="wrong-horse")).code == BASTION_REFUSED
    assert why(replace(at(ssh), private_key=key, passphrase="wrong")).code == "PROBE_SETTINGS"
    assert why(replace(at(ssh), private_key="no key")).code == "PROBE_SETTINGS"
    assert why(replace(at(ssh), key_file="/no/such/key")).code == "PROBE_SETTINGS"


@pytest.mark.parametrize("listens", [False, True])
def test_nobody_answers(listens: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if listens:
            taken.listen()  # and says nothing
        found = why(Bastion("127.0.0.1", taken.getsockname()[1], "ops", PASSWORD, check_host_key=False), 2.0)
    assert found.code == BASTION_UNREACHABLE
    assert "does not answer" in found.message


def test_a_broker_that_the_bastion_does_not_reach_is_told_in_its_words(ssh: ssh_server.Bastion) -> None:
    tunnel = Tunnel(at(ssh), Budget(LONG))
    with tunnel.way("no.such.broker", 9092) as way:
        way.settimeout(LONG)
        assert way.recv(1) == b""
    [found] = tunnel.heard
    assert found.code == BASTION_UNREACHABLE
    assert "does not reach no.such.broker:9092: Could not resolve hostname no.such.broker" in found.message


def look(bastion: Bastion, **settings: str) -> GroupSnapshot:
    given = {"bootstrap.servers": f"{NAME}:1", **settings}
    return asyncio.run(probe(KafkaAccess(given, bastion=bastion), [GroupAsk("g")], seconds=LONG))[0]


def test_a_probe_that_finds_no_broker_behind_it_says_what_the_bastion_said(ssh: ssh_server.Bastion) -> None:
    found = look(at(ssh))
    assert found.error
    assert (code_of(found.error), found.partitions) == (Code.UNREACHABLE, ())
    assert f"the bastion ops@127.0.0.1:{ssh.port} does not reach {NAME}:1" in found.error.message
    assert PASSWORD not in found.model_dump_json()


def test_a_setting_that_holds_for_the_other_client_only_is_no_answer(ssh: ssh_server.Bastion) -> None:
    found = look(at(ssh), **{"ssl.keystore.location": "/p12"})
    assert found.error
    assert code_of(found.error) is Code.PROBE_SETTINGS
    assert "ssl.keystore.location" in found.error.message
