# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import sys
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_dataops.clients.kafka_health.probe import Token
from airflow_dataops.clients.kafka_health.tokens import access_of
from airflow_dataops.core.errors import DataOpsError, MissingDependency, SpecError, TransientError
from airflow_dataops.core.kafka_health.connection import KafkaConnection, TokenFrom

SETTINGS = {"bootstrap.servers": "broker:9092"}
SECRET = "hunter2-hunter2"


def with_callback(patch: pytest.MonkeyPatch, function: Any) -> KafkaConnection:
    module = ModuleType("their_auth")
    module.token = function  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "their_auth", module)
    return KafkaConnection(SETTINGS, TokenFrom.CALLBACK, "their_auth.token", "scope=kafka")


def test_where_no_token_is_needed_none_is_fetched() -> None:
    access = access_of(KafkaConnection(SETTINGS))
    assert (access.settings, access.token) == (SETTINGS, None)


@pytest.mark.parametrize(
    ("returned", "token"),
    [
        (("t", 9.0), Token("t", 9.0)),
        (("t", 9, "me"), Token("t", 9.0, "me")),
        (("t", 9, "me", {"a": "b"}), Token("t", 9.0, "me", {"a": "b"})),
        (["t", 9, None, None], Token("t", 9.0)),
    ],
)
def test_a_callback_is_called_here_with_the_connections_words(
    monkeypatch: pytest.MonkeyPatch, returned: Any, token: Token
) -> None:
    called: list[str] = []
    access = access_of(with_callback(monkeypatch, lambda words: called.append(words) or returned))
    assert access.token == token
    assert called == ["scope=kafka"]


def failing(_: str) -> Any:
    raise ValueError(f"the password {SECRET} is wrong")


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        (failing, TransientError, "not to be had: ValueError"),
        (lambda _: "t", SpecError, "is no token"),
        (lambda _: ("t",), SpecError, "is no token"),
        (lambda _: ("", 9.0), SpecError, "is no token"),
        (lambda _: ("t", "soon"), SpecError, "is no token"),
        (lambda _: ("t", float("nan")), SpecError, "is no token"),
        (7, SpecError, "is no function"),
    ],
)
def test_what_is_no_token_is_told_without_secrets(
    monkeypatch: pytest.MonkeyPatch, function: Any, kind: type[DataOpsError], said: str
) -> None:
    with pytest.raises(kind, match=said) as failed:
        access_of(with_callback(monkeypatch, function))
    assert SECRET not in str(failed.value)
    assert failed.value.__context__ is None or failed.value.__suppress_context__


def test_a_callback_that_is_not_there_is_told() -> None:
    with pytest.raises(SpecError, match="cannot be imported"):
        access_of(KafkaConnection(SETTINGS, TokenFrom.CALLBACK, "no_such_module.token"))


def test_googles_token_comes_from_airflow() -> None:
    connection = KafkaConnection(SETTINGS, TokenFrom.GOOGLE)
    assert access_of(connection, google=lambda _: ("t", 9.0)).token == Token("t", 9.0)
    with pytest.raises(MissingDependency):
        access_of(connection)


def test_a_token_of_msk_is_signed_with_the_keys_that_are_given() -> None:
    """The signer runs for real: a presigned address, which names the key and never holds the secret."""
    pytest.importorskip("aws_msk_iam_sasl_signer", reason="needs the signer: pip install 'airflow-dataops[msk]'")
    connection = KafkaConnection(SETTINGS, TokenFrom.MSK, region="eu-west-1")
    token = access_of(connection, aws={"key": "AKIDEXAMPLE", "secret": SECRET, "token": "session-1"}).token
    assert token is not None
    address = urlsplit(base64.urlsafe_b64decode(token.value + "==").decode())
    query = parse_qs(address.query)
    assert address.hostname == "kafka.eu-west-1.amazonaws.com"
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert query["X-Amz-Credential"][0].startswith("AKIDEXAMPLE/")
    assert query["X-Amz-Security-Token"] == ["session-1"]
    assert SECRET not in address.query
    assert token.expires_at > 1.7e9
    assert token.expires_at < 1e11  # seconds, not milliseconds
