# SPDX-License-Identifier: Apache-2.0
"""Operator and sensor by connections without a password: certificates, tokens of a callback, and keys of AWS at what stands before a broker there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")

from tests.services import kafka_guarded, kafka_server
from tests.services.kafka_hand import Hand
from tests.services.kafka_server import HOST, Kafka
from tests.services.kube.authority import Authority
from tests.services.msk_front import Gate, msk_front
from tests.services.ports import free_port

pytestmark = [pytest.mark.airflow, pytest.mark.integration]

WHEN = datetime(2026, 1, 2, tzinfo=UTC)
CHECK = {"delay": {}, "timeout": "2m", "min_distance": "0s"}
REGION, KEY, SECRET = "eu-west-1", "AKIDEXAMPLE", "aws-secret-of-the-tests"
CALLBACK = "tests.services.kafka_guarded.unsigned"
MSK = "MSK"
WAYS = ["certificate_in_files", "certificate_as_text", "callback", "msk"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def front() -> int:
    """The port of what stands before the broker."""
    return free_port()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority, front: int) -> Iterator[Kafka]:
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    with kafka_guarded.guarded(tmp_path_factory.mktemp("kafka"), authority, {}, fronts={MSK: front}) as found:
        yield found


@pytest.fixture(scope="module")
def gate(broker: Kafka, front: int) -> Iterator[Gate]:
    found = Gate({KEY: SECRET}, REGION)
    with msk_front(front, broker.ports[0][MSK], found):
        yield found


@pytest.fixture(scope="module")
def hand(broker: Kafka) -> Hand:
    return Hand(broker)


@pytest.fixture
def group(hand: Hand) -> tuple[str, str]:
    """A group that has read two of five records of a topic, and the topic; the user ``looker`` may describe both."""
    name, topic = f"g-{uuid.uuid4().hex[:8]}", hand.topic()
    hand.produce(topic, 5)
    hand.commit(name, topic, {0: 2})
    hand.allow({"looker": [("GROUP", name, "DESCRIBE"), ("TOPIC", topic, "DESCRIBE")]})
    return name, topic


@pytest.fixture
def extras(broker: Kafka, authority: Authority, front: int, gate: Gate) -> dict[str, dict[str, str]]:
    """The extra of a connection for each way to be let in."""
    certificate, key = authority.user("looker", "looker")
    files = {"ssl.ca": authority.file, "ssl.certificate": certificate, "ssl.key": key}
    by_certificate = {"bootstrap.servers": broker.bootstrap("SSL"), "security.protocol": "SSL"}
    by_token = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"}
    # The region is in the name of a broker of MSK. A part of more than 63 characters is no name that anybody would be asked for.
    msk = f"{HOST}:{front},b-1.{'x' * 64}.c2.kafka.{REGION}.amazonaws.com:9098"
    return {
        "certificate_in_files": by_certificate | {f"{name}.location": str(file) for name, file in files.items()},
        "certificate_as_text": by_certificate | {f"{name}.pem": file.read_text() for name, file in files.items()},
        "callback": by_token
        | {
            "bootstrap.servers": broker.bootstrap("SASL_PLAINTEXT"),
            "oauth_cb": CALLBACK,
            "sasl.oauthbearer.config": "looker",
        },
        "msk": by_token | {"bootstrap.servers": msk},
    }


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str | None]]:
    """Return what makes connections of an extra, and returns the arguments of a task that name them; the callback is allowed."""
    monkeypatch.setenv("AIRFLOW__APACHE_KAFKA__CALLBACK_ALLOWLIST", CALLBACK)

    def make(extra: dict[str, str], secret: str = SECRET) -> dict[str, str | None]:
        kafka, aws = (f"{kind}_{uuid.uuid4().hex[:8]}" for kind in ("kafka", "aws"))  # such that nobody has read yet
        monkeypatch.setenv(f"AIRFLOW_CONN_{kafka.upper()}", json.dumps({"conn_type": "kafka", "extra": extra}))
        keys = {"conn_type": "aws", "login": KEY, "password": secret}
        monkeypatch.setenv(f"AIRFLOW_CONN_{aws.upper()}", json.dumps(keys))
        return {"kafka_config_id": kafka, "aws_conn_id": aws}

    return make


@pytest.mark.parametrize("way", WAYS)
def test_an_operator_sees_the_lag(
    way: str,
    extras: dict[str, dict[str, str]],
    connect: Callable[..., Any],
    run_dag: Callable[..., Any],
    hand: Hand,
    group: tuple[str, str],
    gate: Gate,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from airflow.providers.common.compat.sdk import DAG

    from airflow_dataops.operators.kafka_health import KafkaConsumerHealthOperator

    name, topic = group
    with DAG(f"health_{name}", schedule=None, start_date=WHEN, catchup=False) as dag:
        KafkaConsumerHealthOperator(task_id="health", group=name, check=CHECK, **connect(extras[way]))
    let_in = len(gate.let_in)

    def run(day: int) -> tuple[str, Any]:
        ti = run_dag(dag, WHEN + timedelta(days=day)).get_task_instance("health")
        return str(ti.state), ti.xcom_pull(task_ids="health")

    state, found = run(0)
    assert (state, found["severity"], found["total_lag"], found["counts"]) == (
        "failed",
        "critical",
        3,
        {"NO_MEMBERS": 1},
    )
    hand.commit(name, topic, {0: 5})
    state, found = run(1)
    assert (state, found["severity"], found["total_lag"]) == ("success", "ok", 0)
    assert (len(gate.let_in) > let_in) == (way == "msk")
    said = "".join(capfd.readouterr())
    assert f"group {name}: critical" in said
    assert secrets_in(said) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_sensor_waits_in_the_triggerer(
    way: str, extras: dict[str, dict[str, str]], connect: Callable[..., Any], hand: Hand, group: tuple[str, str]
) -> None:
    from airflow.providers.common.compat.sdk import TaskDeferred

    from airflow_dataops.sensors.kafka_health import KafkaConsumerHealthSensor
    from tests.unit.operators.shell import Ti, again, fire

    name, topic = group
    sensor = KafkaConsumerHealthSensor(
        task_id="wait", group=name, check=CHECK, poke_interval=1, timeout=600, deferrable=True, **connect(extras[way])
    )
    context = {"ti": Ti("wait")}
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context)
    trigger = again(deferred.value.trigger)
    assert secrets_in(json.dumps(trigger.serialize())) == []
    hand.commit(name, topic, {0: 5})
    found = sensor.execute_complete(context, fire(trigger))
    assert (found["severity"], found["total_lag"]) == ("ok", 0)


@pytest.mark.parametrize(
    ("way", "changes", "code"),
    [
        ("certificate_in_files", {"ssl.certificate.location": None, "ssl.key.location": None}, "UNAUTHENTICATED"),
        ("callback", {"sasl.oauthbearer.config": "stranger"}, "DENIED"),
        ("callback", {"oauth_cb": "tests.services.kafka_guarded.guarded"}, "KAFKA_CONNECTION"),
    ],
    ids=["no_certificate", "token_of_a_stranger", "callback_that_is_not_allowed"],
)
def test_who_is_refused_is_not_tried_again(
    way: str,
    changes: dict[str, str | None],
    code: str,
    extras: dict[str, dict[str, str]],
    connect: Callable[..., Any],
    group: tuple[str, str],
) -> None:
    extra = {name: value for name, value in (extras[way] | changes).items() if value is not None}
    assert code in refusal(group[0], connect(extra))


def test_keys_that_aws_does_not_know_are_refused(
    extras: dict[str, dict[str, str]], connect: Callable[..., Any], group: tuple[str, str], gate: Gate
) -> None:
    gate.refused.clear()
    said = refusal(group[0], connect(extras["msk"], secret="another-secret"))
    assert "UNAUTHENTICATED" in said
    assert "another-secret" not in said
    assert set(gate.refused) == {f"the signature is not that of {KEY}"}


def refusal(group: str, connection: dict[str, str | None]) -> str:
    """Return what a task says that fails for good."""
    from airflow.providers.common.compat.sdk import AirflowFailException

    from airflow_dataops.operators.kafka_health import KafkaConsumerHealthOperator
    from tests.unit.operators.shell import Ti

    made = KafkaConsumerHealthOperator(task_id="health", group=group, check=CHECK, remember="task", **connection)
    with pytest.raises(AirflowFailException) as refused:
        made.execute({"ti": Ti("health")})
    return str(refused.value)


def secrets_in(text: str) -> list[str]:
    """Return what of the secrets is in a text: keys, and beginnings of tokens."""
    tokens = ("eyJhbGciOiAibm9uZSJ9", "aHR0cHM6Ly9rYWZrYS4")  # {"alg": "none"} and https://kafka.
    return [one for one in ("PRIVATE KEY", SECRET, *tokens) if one in text]
