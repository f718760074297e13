# SPDX-License-Identifier: Apache-2.0
"""The producer against a real broker: what is acknowledged is there, and what cannot be sent says why."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from airflow_dataops.clients.metadata.kafka_producer import Bounds, BufferFull, KafkaAway, KafkaProducer
from airflow_dataops.clients.metadata.kafka_settings import KafkaSettings
from airflow_dataops.clients.metadata.parts import opened
from airflow_dataops.core.errors import DataOpsError, SpecError
from airflow_dataops.core.metadata.dead_letter import Outgoing
from airflow_dataops.core.metadata.jobs import DrainSpec
from tests.services import kafka_server
from tests.services.kafka_server import Kafka
from tests.services.kafka_topics import create_topic, records
from tests.services.ports import free_port

WAIT = 120


def outgoing(topic: str, key: bytes = b"k", value: bytes = b"v") -> Outgoing:
    return Outgoing(topic, key, value, (("schema-version", b"v1"),))


def test_what_is_acknowledged_is_in_the_topic(broker: Kafka, topic: str) -> None:
    producer = KafkaProducer(KafkaSettings(broker.bootstrap()))
    futures = [producer.send(outgoing(topic, b"%d" % number, b"x" * number)) for number in range(200)]
    for future in futures:
        future.result(WAIT)
    assert producer.in_flight == 0
    found = records(broker, topic)
    assert {(one.key(), one.value()) for one in found} == {(b"%d" % n, b"x" * n) for n in range(200)}
    assert found[0].headers() == [("schema-version", b"v1")]
    assert producer.partitions(topic) == 2
    producer.close()
    with pytest.raises(KafkaAway, match="closed"):
        producer.send(outgoing(topic))


def test_a_drain_keeps_a_large_dead_letter_as_a_worker_does(broker: Kafka, topic: str, tmp_path: Path) -> None:
    create_topic(broker, f"{topic}.dead", max_message_bytes=4 << 20)
    spec = DrainSpec.model_validate(
        {
            "lake": str(tmp_path),
            "task": "drain",
            "run": {"pipeline": "p", "key": "k"},
            "events": {"kind": "kafka", "topic": topic, "settings": {"bootstrap.servers": broker.bootstrap()}},
            "store": {"kind": "embedded", "file": str(tmp_path / "store.sqlite")},
        }
    )
    with opened(spec) as parts:
        parts.publisher.send(outgoing(f"{topic}.dead", value=b"x" * (2 << 20))).result(WAIT)
    assert [len(one.value()) for one in records(broker, f"{topic}.dead")] == [2 << 20]


def test_close_sends_what_waits(broker: Kafka, topic: str) -> None:
    producer = KafkaProducer(KafkaSettings(broker.bootstrap(), {"linger.ms": "60000"}), Bounds(seconds=300))
    future = producer.send(outgoing(topic))
    producer.close(WAIT)
    assert future.done()
    assert future.exception() is None
    assert len(records(broker, topic)) == 1


def test_without_a_broker_it_fails_in_time_and_what_waits_is_bounded() -> None:
    nobody = KafkaSettings(f"127.0.0.1:{free_port()}")
    producer = KafkaProducer(nobody, Bounds(size=10_000, seconds=2))
    futures = [producer.send(outgoing("t", value=b"v" * 4000)) for _ in range(2)]
    with pytest.raises(BufferFull):
        producer.send(outgoing("t", value=b"v" * 4000))
    assert [type(future.exception(WAIT)) for future in futures] == [KafkaAway] * 2
    assert producer.in_flight == 0
    with pytest.raises(KafkaAway):
        producer.partitions("t", 0.5)
    producer.close()


def test_what_can_never_be_sent_says_so(broker: Kafka, topic: str) -> None:
    producer = KafkaProducer(KafkaSettings(broker.bootstrap(), {"message.max.bytes": "2000000"}), Bounds(seconds=5))
    with pytest.raises(DataOpsError) as local:
        producer.send(outgoing(topic, value=b"v" * 3_000_000))
    remote = producer.send(Outgoing(topic, None, _noise(1_500_000), ()))
    missing = producer.send(outgoing("no-such-topic"))
    assert (local.value.code, remote.exception(WAIT).code) == ("KAFKA_RECORD_TOO_LARGE",) * 2  # type: ignore[union-attr]
    assert missing.exception(WAIT).code in ("KAFKA_NO_TOPIC", "KAFKA_UNREACHABLE")  # type: ignore[union-attr]
    assert producer.in_flight == 0
    with pytest.raises(DataOpsError) as asked:
        producer.partitions("no-such-topic")
    assert asked.value.code == "KAFKA_NO_TOPIC"
    producer.close()


def _noise(size: int) -> bytes:
    import random

    return random.Random(1).randbytes(size)  # compresses to nothing less


@pytest.mark.parametrize(("name", "value"), [("acks", "1"), ("enable.idempotence", "false"), ("no.such", "1")])
def test_properties_that_weaken_an_acknowledgement_are_refused(name: str, value: str) -> None:
    with pytest.raises(SpecError) as refused:
        KafkaProducer(KafkaSettings("127.0.0.1:9", {name: value}))
    assert refused.value.code == "KAFKA_SETTINGS"


def test_a_broker_that_comes_back_is_found_again(tmp_path: Path) -> None:
    pytest.importorskip("confluent_kafka")
    if kafka_server.missing():
        pytest.skip(str(kafka_server.missing()))
    with kafka_server.kafka(tmp_path / "kafka") as cluster:
        create_topic(cluster, "events")
        producer = KafkaProducer(KafkaSettings(cluster.bootstrap()), Bounds(seconds=2))
        producer.send(outgoing("events", b"before")).result(WAIT)
        cluster.stop(1, signal.SIGTERM)
        assert isinstance(producer.send(outgoing("events", b"away")).exception(WAIT), KafkaAway)
        cluster.start(1)
        cluster.wait()
        while producer.send(outgoing("events", b"after")).exception(WAIT) is not None:
            pass
        assert {one.key() for one in records(cluster, "events")} >= {b"before", b"after"}
        producer.close()


def test_a_wrong_password_is_told_as_such(tmp_path: Path) -> None:
    pytest.importorskip("confluent_kafka")
    if kafka_server.missing():
        pytest.skip(str(kafka_server.missing()))
    props = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-256",
        "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    options = {"listeners": ("PLAINTEXT", "SASL_PLAINTEXT"), "scram": {"api": "right"}, "props": props}
    with kafka_server.kafka(tmp_path / "kafka", **options) as cluster:
        create_topic(cluster, "events")
        said = {}
        for password in ("wrong", "right"):
            properties = {
                "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256",
                "sasl.username": "api", "sasl.password": password,
            }  # fmt: skip
            settings = KafkaSettings(cluster.bootstrap("SASL_PLAINTEXT"), properties)
            assert password not in repr(settings)
            producer = KafkaProducer(settings, Bounds(seconds=3))
            said[password] = producer.send(outgoing("events")).exception(WAIT)
            producer.close()
        codes = {password: getattr(error, "code", None) for password, error in said.items()}
    assert codes["wrong"] == "KAFKA_AUTHENTICATION"
    assert codes["right"] == "KAFKA_DENIED"  # the password is taken, and no rule lets this user write
