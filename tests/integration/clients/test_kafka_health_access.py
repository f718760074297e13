# SPDX-License-Identifier: Apache-2.0
"""The probe at a broker that looks at who asks: passwords, tokens, certificates and rights; by both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")

from airflow_dataops.clients.kafka_health.probe import KafkaAccess, Token, probe
from airflow_dataops.core.kafka_health.answers import code_of
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.codes import Code
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, GroupState
from tests.services import kafka_guarded, kafka_server
from tests.services.kafka_hand import LONG, Hand
from tests.services.kafka_server import Kafka
from tests.services.kube.authority import Authority

Look = Callable[..., GroupSnapshot]
PASSWORD = "correct-horse-battery"
GROUP, TOPIC = "the-group", "the-topic"
# Who may do what; nobody may do anything else.
RIGHTS = {
    "looker": [("GROUP", GROUP, "DESCRIBE"), ("TOPIC", TOPIC, "DESCRIBE")],
    "reader": [("GROUP", GROUP, "DESCRIBE"), ("TOPIC", TOPIC, "READ")],
    "no-group": [("TOPIC", TOPIC, "DESCRIBE")],
    "no-topic": [("GROUP", GROUP, "DESCRIBE")],
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Kafka]:
    """A broker with a topic of five records, of which the group has read two."""
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    users = dict.fromkeys(RIGHTS, PASSWORD)
    with kafka_guarded.guarded(tmp_path_factory.mktemp("kafka"), authority, users) as found:
        hand = Hand(found)
        hand.topic(name=TOPIC)
        hand.produce(TOPIC, 5)
        hand.commit(GROUP, TOPIC, {0: 2})
        hand.allow(RIGHTS)
        yield found


@pytest.fixture
def look(way: Callable[[KafkaAccess], KafkaAccess]) -> Look:
    """What asks about the group."""

    def looked(access: KafkaAccess, *topics: str) -> GroupSnapshot:
        asks = [GroupAsk(GROUP, topics=topics, peek=1)]
        found = asyncio.run(probe(way(access), asks, seconds=LONG))[0]
        assert PASSWORD not in found.model_dump_json()
        return found

    return looked


def as_user(broker: Kafka, name: str, password: str = PASSWORD) -> KafkaAccess:
    settings = {"sasl.mechanism": "SCRAM-SHA-256", "sasl.username": name, "sasl.password": password}
    return KafkaAccess({**broker.client("SASL_PLAINTEXT"), "security.protocol": "SASL_PLAINTEXT", **settings})


def by_certificate(broker: Kafka, **files: Path) -> KafkaAccess:
    named = {f"ssl.{name}.location": str(path) for name, path in files.items()}
    return KafkaAccess({**broker.client("SSL"), "security.protocol": "SSL", **named})


def lag(found: GroupSnapshot) -> tuple[Any, ...]:
    """Return commit, end and first record of the one partition."""
    assert found.error is None
    assert found.state is GroupState.EMPTY
    (view,) = found.partitions
    assert view.error is None
    return view.committed, view.last_stable, view.next_offset


def test_the_right_to_describe_is_enough_for_the_lag_and_that_to_read_shows_records(look: Look, broker: Kafka) -> None:
    assert lag(look(as_user(broker, "looker"))) == (2, 5, None)
    assert lag(look(as_user(broker, "reader"))) == (2, 5, 2)


def test_without_a_right_on_the_group_nothing_is_known_and_that_is_why(look: Look, broker: Kafka) -> None:
    found = look(as_user(broker, "no-group"))
    assert code_of(found.error) is Code.DENIED
    assert code_of(found.state_error) is Code.DENIED
    assert found.partitions == ()


def test_without_a_right_on_the_topic_it_is_hidden_unless_it_is_named(look: Look, broker: Kafka) -> None:
    hidden = look(as_user(broker, "no-topic"))
    assert (hidden.error, hidden.topics, hidden.partitions) == (None, (), ())
    named = look(as_user(broker, "no-topic"), TOPIC)
    assert [(one.name, one.missing, code_of(one.error)) for one in named.topics] == [(TOPIC, False, Code.DENIED)]


def test_a_wrong_password_is_told_as_such_and_is_not_tried_again_and_again(look: Look, broker: Kafka) -> None:
    before = broker.log(1).count("Failed authentication")
    found = look(as_user(broker, "looker", "wrong"))
    assert found.error
    assert found.error.code in ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED")
    assert code_of(found.error) is Code.UNAUTHENTICATED
    # Half of the time that the probe has would be enough for dozens.
    assert 1 <= broker.log(1).count("Failed authentication") - before <= 4


def test_a_token_that_is_brought_along(look: Look, broker: Kafka) -> None:
    token, expires_at = kafka_guarded.unsigned("looker")
    settings = {
        **broker.client("SASL_PLAINTEXT"),
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
    }
    assert lag(look(KafkaAccess(settings, Token(token, expires_at, "looker")))) == (2, 5, None)


def test_certificates(look: Look, broker: Kafka, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.user("looker", "looker")
    mine = {"certificate": certificate, "key": key}
    assert lag(look(by_certificate(broker, ca=authority.file, **mine))) == (2, 5, None)
    stranger = look(by_certificate(broker, ca=Authority(tmp_path).file, **mine))
    assert code_of(stranger.error) is Code.UNAUTHENTICATED
    assert stranger.error
    assert "certificate" in stranger.error.message
    nobody = look(by_certificate(broker, ca=authority.file))
    assert code_of(nobody.error) is Code.UNAUTHENTICATED
