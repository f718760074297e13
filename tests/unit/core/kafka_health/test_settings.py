# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_dataops.core.kafka_health.settings import of_client, of_commits, of_peek, secrets_in, taken

CONNECTION = {
    "bootstrap.servers": "a:1",
    "security.protocol": "SASL_SSL",
    "sasl.password": "secret",
    "ssl.ca.location": "/ca.pem",
}


def test_of_a_connection_only_the_way_in_is_taken() -> None:
    foreign = {
        "group.id": "another",
        "enable.auto.commit": True,
        "auto.offset.reset": "latest",
        "plugin.library.paths": "/tmp/evil.so",
        "debug": "all",
        "statistics.interval.ms": 1,
        "transactional.id": "t",
        "error_cb": "a.b",
        "oauth_cb": print,
        "sasl.oauthbearer.refresh_cb": "a.b",
        "group.instance.id": "member-1",
    }
    assert taken(CONNECTION | foreign) == CONNECTION
    assert of_commits(CONNECTION | foreign, 30, "g") == of_commits(CONNECTION, 30, "g")


def test_nothing_joins_or_commits() -> None:
    for settings in (of_commits(CONNECTION, 30, "g"), of_peek(CONNECTION, 30, "g", "read_committed")):
        assert settings["group.id"] == "g"
        assert settings["enable.auto.commit"] is False
        assert settings["allow.auto.create.topics"] is False


@pytest.mark.parametrize(
    ("seconds", "given", "socket_ms", "setup_ms"),
    [(30, None, 30_000, 10_000), (30, "5000", 5000, 10_000), (30, "nonsense", 30_000, 10_000), (0.1, None, 1000, 1000)],
)
def test_no_request_takes_longer_than_the_probe(
    seconds: float, given: str | None, socket_ms: int, setup_ms: int
) -> None:
    more = {} if given is None else {"socket.timeout.ms": given}
    settings = of_client(CONNECTION | more, seconds)
    assert (settings["socket.timeout.ms"], settings["socket.connection.setup.timeout.ms"]) == (socket_ms, setup_ms)


def test_no_limit_is_longer_than_the_client_takes() -> None:
    assert of_client(CONNECTION, 3600)["socket.timeout.ms"] == 300_000


def test_a_name_of_ones_own_is_kept() -> None:
    assert of_client(CONNECTION, 1)["client.id"] == "airflow-dataops-kafka-health"
    assert of_client(CONNECTION | {"client.id": "mine"}, 1)["client.id"] == "mine"


def test_secrets_are_known() -> None:
    assert secrets_in(CONNECTION | {"ssl.key.password": "", "sasl.username": "bob"}) == ["secret"]
