# SPDX-License-Identifier: Apache-2.0
"""Operator, sensor and command at a real broker, in runs of a real Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")

from tests.services import kafka_server
from tests.services.kafka_hand import Hand
from tests.services.kafka_server import Kafka

pytestmark = [pytest.mark.airflow, pytest.mark.integration]

WHEN = datetime(2026, 1, 2, tzinfo=UTC)
USER, PASSWORD = "health", "hunter2-hunter2"
FAR = "broker-{}.kafka.internal"  # known to the bastion only
# A machine may be busy; and two runs of a test may follow one another within ten seconds.
CHECK = {"delay": {}, "timeout": "2m", "min_distance": "0s"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that lets in whoever has a password, too."""
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    props = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": login,
    }
    options = {
        "listeners": ("PLAINTEXT", "SASL_PLAINTEXT", "FAR"),
        "advertised": {"FAR": FAR},
        "scram": {USER: PASSWORD},
        "props": {
            **props,
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,FAR:PLAINTEXT",
        },
    }
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka"), **options) as found:
        yield found


@pytest.fixture(scope="module")
def hand(broker: Kafka) -> Hand:
    return Hand(broker)


@pytest.fixture
def group() -> str:
    return f"g-{uuid.uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def connection(broker: Kafka, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The default connection, by SASL."""
    extra = {
        "bootstrap.servers": broker.bootstrap("SASL_PLAINTEXT"),
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": USER,
        "sasl.password": PASSWORD,
    }
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": extra}))
    return extra


def health(
    group: str, run_dag: Callable[..., Any], *, check: dict[str, Any] | None = None, **given: Any
) -> Callable[[], Any]:
    """Return what runs a DAG with one check once more, a day later each time, and returns the task's state and document."""
    from airflow.providers.common.compat.sdk import DAG

    from airflow_dataops.operators.kafka_health import KafkaConsumerHealthOperator

    with DAG(f"health_{group}", schedule=None, start_date=WHEN, catchup=False) as dag:
        KafkaConsumerHealthOperator(task_id="health", group=group, check={**CHECK, **(check or {})}, **given)
    _store(dag)
    days = iter(range(100))

    def run() -> tuple[str, Any]:
        ti = run_dag(dag, WHEN + timedelta(days=next(days))).get_task_instance("health")
        return str(ti.state), ti.xcom_pull(task_ids="health")

    return run


def _store(dag: Any) -> None:
    """Let Airflow 2 know the DAG's assets, as its DAG processor does; for Airflow 3 ``run_dag`` does that."""
    from airflow import __version__ as version

    if version.startswith("2."):
        type(dag).bulk_write_to_db([dag])


def test_a_group_without_members_fails_and_one_that_has_read_all_succeeds(
    run_dag: Callable[..., Any], hand: Hand, group: str
) -> None:
    topic = hand.topic(3)
    hand.produce(topic, 5)
    hand.commit(group, topic, {0: 2, 1: 0, 2: 0})
    run = health(group, run_dag)
    state, found = run()
    assert (state, found["severity"], found["total_lag"]) == ("failed", "critical", 3)
    assert found["counts"] == {"NO_MEMBERS": 1}
    assert (found["worst"][0]["partition"], found["worst"][0]["lag"]) == (0, 3)
    hand.commit(group, topic, {0: 5})
    state, found = run()
    assert (state, found["severity"], found["before"], found["total_lag"]) == ("success", "ok", "critical", 0)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_member_that_stands_still_is_seen_by_two_looks_of_one_task(
    run_dag: Callable[..., Any], hand: Hand, group: str, deferrable: bool
) -> None:
    topic = hand.topic()
    hand.produce(topic, 5)
    hand.commit(group, topic, {0: 2})
    check = {"looks": 2, "interval": "1s", "require_members": False, "rebalance_looks": 0}
    with hand.member(group, [topic]):
        state, found = health(group, run_dag, check=check, deferrable=deferrable)()
    assert (state, found["looks"]) == ("failed", 2)
    assert found["counts"] == {"STALLED": 1}


@pytest.fixture
def far(broker: Kafka, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bastion, and connections to it and to the broker behind it."""
    pytest.importorskip("asyncssh", reason="needs asyncssh: pip install 'airflow-dataops[kafka-bastion]'")
    from tests.services import ssh_server

    with ssh_server.bastion(names={FAR.format(1): kafka_server.HOST}, passwords={"ops": PASSWORD}) as ssh:
        fields = {"host": ssh_server.HOST, "port": ssh.port, "login": "ops", "password": PASSWORD}
        known = {"conn_type": "ssh", **fields, "extra": {"host_key": ssh.host_key}}
        monkeypatch.setenv("AIRFLOW_CONN_BASTION", json.dumps(known))
        extra = {"bootstrap.servers": broker.bootstrap("FAR")}
        monkeypatch.setenv("AIRFLOW_CONN_KAFKA_FAR", json.dumps({"conn_type": "kafka", "extra": extra}))
        yield ssh


def test_a_broker_behind_a_bastion(run_dag: Callable[..., Any], hand: Hand, group: str, far: Any) -> None:
    topic = hand.topic(2)
    hand.produce(topic, 4)
    hand.commit(group, topic, {0: 1, 1: 0})
    given = {"kafka_config_id": "kafka_far", "check": {"require_members": False}}
    state, found = health(group, run_dag, ssh_conn_id="bastion", **given)()
    assert (state, found["severity"], found["total_lag"]) == ("success", "ok", 3)
    assert {one.partition(":")[0] for one in far.asked} == {FAR.format(1)}
    assert PASSWORD not in json.dumps(found)
    state, found = health(f"{group}-2", run_dag, **given)()  # without it the broker's name is nobody's
    assert state in ("failed", "up_for_retry")


def test_a_person_on_call_goes_through_the_bastion_too(hand: Hand, group: str, far: Any) -> None:
    topic = hand.topic()
    hand.produce(topic, 4)
    hand.commit(group, topic, {0: 1})
    words = [
        sys.executable,
        "-m",
        "dag_factories",
        "kafka-health",
        group,
        "--conn",
        "kafka_far",
        "--ssh-conn",
        "bastion",
    ]
    found = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert json.loads(found.stdout)["total_lag"] == 3, found.stderr
    assert far.logins == ["ops"]
    assert PASSWORD not in found.stdout + found.stderr


def test_looks_of_earlier_runs_are_remembered(run_dag: Callable[..., Any], hand: Hand, group: str) -> None:
    topic = hand.topic()
    hand.produce(topic, 5)
    hand.commit(group, topic, {0: 2})
    run = health(group, run_dag, check={"require_members": False, "rebalance_looks": 0})
    with hand.member(group, [topic]):
        assert [run()[0] for _ in range(2)] == ["success", "failed"]


def test_an_asset_hears_of_changes_and_its_state_keeps_the_looks(
    run_dag: Callable[..., Any], hand: Hand, group: str
) -> None:
    from airflow.providers.common.compat.sdk import Asset

    topic = hand.topic()
    hand.produce(topic, 5)
    hand.commit(group, topic, {0: 2})
    check = {"require_members": False, "lag": {"warning": 1}}
    run = health(group, run_dag, check=check, asset=Asset(f"kafka://test/{group}"))
    seen = [run()[1]["severity"]]
    hand.commit(group, topic, {0: 3})
    seen.append(run()[1]["severity"])
    hand.commit(group, topic, {0: 5})
    seen.append(run()[1]["severity"])
    assert seen == ["warning", "warning", "ok"]
    assert events_of(group) == ["warning", "ok"]
    assert kept_in_state(group) in (1, None)


def events_of(group: str) -> list[str]:
    """Return what an asset has heard, the oldest first."""
    from airflow.utils.session import create_session

    try:
        from airflow.models.asset import AssetEvent
    except ImportError:
        from airflow.models.dataset import DatasetEvent as AssetEvent
    with create_session() as session:
        found = session.query(AssetEvent).order_by(AssetEvent.id).all()
        return [one.extra["severity"] for one in found if one.extra.get("group") == group]


def kept_in_state(group: str) -> int | None:
    """Return how many texts the state of assets keeps for a group; None where this Airflow has no such state."""
    try:
        from airflow.models.asset import AssetModel
        from airflow.models.asset_state_store import AssetStateStoreModel
    except ImportError:
        return None
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(AssetStateStoreModel).join(AssetModel, AssetModel.id == AssetStateStoreModel.asset_id)
        return int(found.filter(AssetModel.uri == f"kafka://test/{group}").count())


def test_a_wrong_password_is_not_tried_again_and_a_broker_that_is_away_is(
    run_dag: Callable[..., Any], group: str, connection: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.common.compat.sdk import AirflowFailException

    from airflow_dataops.core.errors import TransientError
    from airflow_dataops.operators.kafka_health import KafkaConsumerHealthOperator
    from tests.unit.operators.shell import Ti

    def run(**changes: Any) -> None:
        extra = {**connection, **changes}
        name = f"c_{uuid.uuid4().hex[:8]}"  # one that nobody has read yet
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "kafka", "extra": extra}))
        made = KafkaConsumerHealthOperator(
            task_id="health", group=group, check={**CHECK, "timeout": "20s"}, kafka_config_id=name, remember="task"
        )
        made.execute({"ti": Ti("health")})

    with pytest.raises(AirflowFailException, match="UNAUTHENTICATED") as refused:
        run(**{"sasl.password": "not-the-password"})
    assert "not-the-password" not in str(refused.value)
    with pytest.raises(TransientError, match="UNREACHABLE"):
        run(**{"bootstrap.servers": "127.0.0.1:1"})


def test_a_sensor_waits_in_the_triggerer_until_all_has_been_read(hand: Hand, group: str) -> None:
    from airflow.providers.common.compat.sdk import TaskDeferred

    from airflow_dataops.sensors.kafka_health import KafkaConsumerHealthSensor
    from tests.unit.operators.shell import Ti, again, fire

    topic = hand.topic()
    hand.produce(topic, 5)
    hand.commit(group, topic, {0: 2})
    sensor = KafkaConsumerHealthSensor(
        task_id="wait", group=group, topics=[topic], check=CHECK, poke_interval=1, timeout=600, deferrable=True
    )
    context = {"ti": Ti("wait")}
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context)
    trigger = again(deferred.value.trigger)
    assert PASSWORD not in json.dumps(trigger.serialize())
    hand.commit(group, topic, {0: 5})
    found = sensor.execute_complete(context, fire(trigger))
    assert (found["severity"], found["total_lag"]) == ("ok", 0)


def test_the_command_says_it_with_its_exit_status(
    hand: Hand, group: str, connection: dict[str, Any], tmp_path: Path
) -> None:
    topic = hand.topic(2)
    hand.produce(topic, 7, partition=1)
    hand.commit(group, topic, {0: 0, 1: 3})
    file = tmp_path / "client.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in connection.items()))

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "dag_factories", "kafka-health", group, "--config", str(file), "--timeout", "2m"]
        return subprocess.run([*words, *more], capture_output=True, text=True, check=False, env=dict(os.environ))

    done = run()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "critical NO_MEMBERS" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    hand.commit(group, topic, {1: 7})
    done = run("--json", "--topic", topic)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["severity"], found["partitions"], found["total_lag"]) == ("ok", 2, 0)
