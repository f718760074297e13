# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from airflow_dataops.clients.kafka_health.probe import Token
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.kafka_health.bastion import Bastion
from airflow_dataops.hooks import kafka_health
from airflow_dataops.hooks.kafka_health import KafkaHealthHook

pytestmark = pytest.mark.airflow

PASSWORD = "hunter2-hunter2"


def connect(patch: pytest.MonkeyPatch, name: str = "kafka_default", **fields: Any) -> None:
    patch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "kafka", **fields}))


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(kafka_health, "mask_secret", found.append)
    return found


def test_a_connection_is_settings_and_its_secrets_are_masked(
    monkeypatch: pytest.MonkeyPatch, masked: list[str]
) -> None:
    extra = {"bootstrap.servers": "broker:9092", "sasl.password": PASSWORD, "ssl.key.pem": "KEY", "group.id": "g"}
    connect(monkeypatch, extra=extra)
    access = KafkaHealthHook().access()
    del extra["group.id"]
    assert access.settings == extra
    assert sorted(masked) == ["KEY", PASSWORD]
    assert PASSWORD not in repr(access)


def test_a_bastion_comes_from_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch, masked: list[str]) -> None:
    connect(monkeypatch, extra={"bootstrap.servers": "broker:9092"})
    ssh = {"conn_type": "ssh", "host": "bastion", "port": 2222, "login": "ops", "password": PASSWORD}
    connect(monkeypatch, "ops", **ssh, extra={"host_key": "ssh-ed25519 AAAA"})
    access = KafkaHealthHook(ssh_conn_id="ops").access()
    assert access.bastion == Bastion("bastion", 2222, "ops", PASSWORD, host_key="ssh-ed25519 AAAA")
    assert masked == [PASSWORD]
    assert PASSWORD not in repr(access)
    assert access.hide(f"said {PASSWORD}") == "said ***"
    assert KafkaHealthHook().access().bastion is None
    with pytest.raises(SpecError, match="there is no connection other"):
        KafkaHealthHook(ssh_conn_id="other").access()


def test_a_callback_needs_the_providers_allowlist(monkeypatch: pytest.MonkeyPatch, masked: list[str]) -> None:
    module = ModuleType("their_auth")
    module.token = lambda words: (f"token-{words}", 9e9)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_auth", module)
    extra = {"bootstrap.servers": "broker:9092", "oauth_cb": "their_auth.token", "sasl.oauthbearer.config": "w"}
    connect(monkeypatch, extra=extra)
    with pytest.raises(SpecError, match="not among the callbacks"):
        KafkaHealthHook().access()
    monkeypatch.setenv("AIRFLOW__APACHE_KAFKA__CALLBACK_ALLOWLIST", "a.b, their_auth.token")
    assert KafkaHealthHook().access().token == Token("token-w", 9e9)
    assert "token-w" in masked


def test_msk_takes_the_keys_of_an_aws_connection(monkeypatch: pytest.MonkeyPatch, masked: list[str]) -> None:
    from airflow_dataops.clients.kafka_health import tokens

    given: list[Any] = []
    monkeypatch.setattr(tokens, "_of_msk", lambda region, aws: given.append((region, aws)) or ("t", 9e9))
    servers = "b-1.demo.abcde1.c2.kafka.eu-west-1.amazonaws.com:9098"
    connect(monkeypatch, extra={"bootstrap.servers": servers, "sasl.mechanism": "OAUTHBEARER"})
    connect(monkeypatch, "ours", conn_type="aws", login="AKID", password=PASSWORD, extra={"role_arn": "arn:r"})
    assert KafkaHealthHook(aws_conn_id="ours").access().token == Token("t", 9e9)
    [(region, aws)] = given
    assert region == "eu-west-1"
    assert {name: value for name, value in aws.items() if value} == {
        "key": "AKID",
        "secret": PASSWORD,
        "role_arn": "arn:r",
    }


def test_a_connection_that_is_not_there_is_told(airflow_db: object) -> None:
    with pytest.raises(SpecError, match="there is no connection nowhere") as failed:
        KafkaHealthHook("nowhere").access()
    assert failed.value.hint
