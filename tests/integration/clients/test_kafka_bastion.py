# SPDX-License-Identifier: Apache-2.0
"""Three brokers whose names only an SSH server knows: what is told of them, by whom they are known, and what is said where the way ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")
pytest.importorskip("asyncssh", reason="needs asyncssh: pip install 'airflow-dataops[kafka-bastion]'")

from airflow_dataops.clients.kafka_health.probe import KafkaAccess, probe
from airflow_dataops.core.kafka_health.answers import code_of
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.bastion import Bastion
from airflow_dataops.core.kafka_health.codes import Code
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, GroupState
from tests.services import kafka_server, ssh_server
from tests.services.kafka_hand import LONG, Hand
from tests.services.kafka_server import HOST, Kafka
from tests.services.kube.authority import Authority

GROUP, TOPIC, USER, PASSWORD = "the-group", "the-topic", "looker", "correct-horse-battery"
NAME = "broker-{}.kafka.internal"
NAMES = [NAME.format(number) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Kafka]:
    """Three brokers with six partitions, whose certificates bear their names, and no address."""
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    certificate, key = authority.server("broker", "broker", hosts=NAMES)
    store = certificate.with_name("broker.pem")
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    props = {
        **kafka_server.FAILOVER,
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.ssl.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": store,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": authority.file,
    }
    far = ("SASL_PLAINTEXT", "SASL_SSL", "SSL")
    options = {"listeners": ("PLAINTEXT", *far), "advertised": dict.fromkeys(far, NAME), "scram": {USER: PASSWORD}}
    root = tmp_path_factory.mktemp("kafka")
    with kafka_server.kafka(root, brokers=3, controllers=3, memory="192m", props=props, **options) as found:
        hand = Hand(found)
        hand.topic(6, replicas=2, name=TOPIC)
        for number in range(6):
            hand.produce(TOPIC, number + 2, partition=number)
        hand.commit(GROUP, TOPIC, dict.fromkeys(range(6), 1))
        yield found


@pytest.fixture
def ssh() -> Iterator[ssh_server.Bastion]:
    with ssh_server.bastion(names=dict.fromkeys(NAMES, HOST), passwords={"ops": PASSWORD}) as found:
        yield found


def access(brokers: Kafka, ssh: ssh_server.Bastion, protocol: str, authority: Authority, **more: str) -> KafkaAccess:
    settings: dict[str, Any] = {**brokers.client(protocol), "security.protocol": protocol}
    if "SASL" in protocol:
        settings |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": USER, "sasl.password": PASSWORD}
    if "SSL" in protocol:
        settings["ssl.ca.pem"] = authority.file.read_text()
    if protocol == "SSL":
        certificate, key = authority.user(USER, USER)
        settings |= {"ssl.certificate.pem": certificate.read_text(), "ssl.key.pem": key.read_text()}
    settings |= {name.replace("_", "."): value for name, value in more.items()}
    return KafkaAccess(settings, bastion=Bastion(HOST, ssh.port, "ops", PASSWORD, host_key=ssh.host_key))


def look(way: KafkaAccess, seconds: float = LONG) -> GroupSnapshot:
    found = asyncio.run(probe(way, [GroupAsk(GROUP, peek=6, ages_ms=(60_000,))], seconds=seconds))[0]
    assert PASSWORD not in found.model_dump_json()
    return found


def told(found: GroupSnapshot) -> dict[str, Any]:
    """Return what was told, but when."""
    document = found.model_dump()
    del document["taken_at_ms"]
    return document


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL", "SSL"])
def test_all_is_told_as_from_within_and_only_the_bastion_knows_the_names(
    brokers: Kafka, ssh: ssh_server.Bastion, authority: Authority, protocol: str
) -> None:
    for name in NAMES:
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo(name, 9092)
    found = look(access(brokers, ssh, protocol, authority))
    assert found.error is None
    assert [(one.committed, one.last_stable, one.next_offset) for one in found.partitions] == [
        (1, number + 2, 1) for number in range(6)
    ]
    assert told(found) == told(look(KafkaAccess(brokers.client())))
    # Each broker leads some partitions, and was asked for by its own name.
    assert {one.partition(":")[0] for one in ssh.asked} == set(NAMES)


def test_members_of_both_protocols(brokers: Kafka, ssh: ssh_server.Bastion, authority: Authority) -> None:
    hand = Hand(brokers)
    for protocol in ("classic", "consumer"):
        group = f"{protocol}-members"
        with hand.member(group, [TOPIC], group_protocol=protocol, client_id="reader"):
            [found] = asyncio.run(probe(access(brokers, ssh, "SASL_SSL", authority), [GroupAsk(group)], seconds=LONG))
        assert found.at in (GroupState.STABLE, GroupState.REBALANCING)
        assert [(one.client_id, one.assigned) for one in found.members or ()] == [("reader", {TOPIC: tuple(range(6))})]


def test_a_certificate_without_the_brokers_name_is_refused(
    brokers: Kafka, ssh: ssh_server.Bastion, authority: Authority, tmp_path: Path
) -> None:
    ssh.names = {**ssh.names, HOST: HOST}
    by_address = {"bootstrap.servers": f"{HOST}:{brokers.ports[0]['SASL_SSL']}"}
    way = access(brokers, ssh, "SASL_SSL", authority)
    for wrong in (
        replace(way, settings={**way.settings, **by_address}),
        replace(way, settings={**way.settings, "ssl.ca.pem": Authority(tmp_path).file.read_text()}),
    ):
        found = look(wrong)
        assert found.error
        assert code_of(found.error) is Code.UNAUTHENTICATED
        assert "certificate verify failed" in found.error.message
    unchecked = {**way.settings, **by_address, "ssl.endpoint.identification.algorithm": "none"}
    assert look(replace(way, settings=unchecked)).error is None


def test_a_wrong_password_of_the_brokers_and_one_of_the_bastion(
    brokers: Kafka, ssh: ssh_server.Bastion, authority: Authority
) -> None:
    found = look(access(brokers, ssh, "SASL_SSL", authority, sasl_password="wrong-horse"))
    assert found.error
    assert found.error.code == "SASL_AUTHENTICATION_FAILED", found.error
    way = access(brokers, ssh, "SASL_SSL", authority)
    assert way.bastion
    found = look(replace(way, bastion=replace(way.bastion, password="wrong-horse")))
    assert found.error
    assert (code_of(found.error), found.error.code) == (Code.UNAUTHENTICATED, "BASTION_REFUSED")


def test_a_broker_that_the_bastion_has_lost_is_not_known_and_the_others_are(
    brokers: Kafka, ssh: ssh_server.Bastion, authority: Authority
) -> None:
    lost, hand = NAMES[2], Hand(brokers)
    ssh.names = {name: HOST for name in NAMES if name != lost}
    found = look(access(brokers, ssh, "SASL_SSL", authority), 40.0)
    led = {number: hand.leader(TOPIC, number) for number in range(6)}
    if found.error is not None:  # it coordinates the group
        assert code_of(found.error) is Code.UNREACHABLE
        assert f"does not reach {lost}" in found.error.message
        return
    for view in found.partitions:
        if led[view.partition] == 3:
            assert code_of(view.error) is Code.UNREACHABLE
        else:
            assert (view.error, view.last_stable) == (None, view.partition + 2)
    assert {view.partition for view in found.partitions if view.error} == {
        number for number, leader in led.items() if leader == 3
    }


def test_a_bastion_that_goes_away_meanwhile(brokers: Kafka, ssh: ssh_server.Bastion, authority: Authority) -> None:
    async def cut() -> GroupSnapshot:
        asking = asyncio.ensure_future(
            probe(access(brokers, ssh, "SASL_SSL", authority), [GroupAsk(GROUP, peek=6)], seconds=40.0)
        )
        while not ssh.asked and not asking.done():  # noqa: ASYNC110 - the server is in a thread of its own
            await asyncio.sleep(0.001)
        ssh.cut()
        return (await asking)[0]

    found = asyncio.run(cut())
    # Whatever was told before the cut is right; the rest says that it is not known.
    if found.error is None:
        assert all(view.error or view.last_stable == view.partition + 2 for view in found.partitions)
    else:
        assert code_of(found.error) in (Code.UNREACHABLE, Code.UNAUTHENTICATED)
        assert found.partitions == ()
