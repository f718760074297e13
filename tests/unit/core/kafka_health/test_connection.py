# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.kafka_health.connection import TokenFrom, read_connection

PASSWORD = "hunter2-hunter2"
MSK = "b-1.demo.abcde1.c2.kafka.eu-west-1.amazonaws.com:9098,b-2.demo.abcde1.c2.kafka.eu-west-1.amazonaws.com:9098"
SERVERLESS = "boot-a1.c2.kafka-serverless.us-east-2.amazonaws.com:9098"
GOOGLE = "bootstrap.c.europe-west1.managedkafka.p.cloud.goog:9092"


def extra(servers: str = "broker:9092", **more: Any) -> dict[str, Any]:
    return {"bootstrap.servers": servers, **{name.replace("__", "."): value for name, value in more.items()}}


def test_what_is_a_consumers_is_left_out() -> None:
    given = extra(
        sasl__password=PASSWORD, group__id="g", enable__auto__commit=True, error_cb="a.b", plugin__library__paths="x"
    )
    found = read_connection("c", given)
    assert found.settings == {"bootstrap.servers": "broker:9092", "sasl.password": PASSWORD}
    assert found.token_from is TokenFrom.NOBODY
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    ("servers", "token_from", "region"),
    [
        (MSK, TokenFrom.MSK, "eu-west-1"),
        (SERVERLESS, TokenFrom.MSK, "us-east-2"),
        (GOOGLE, TokenFrom.GOOGLE, ""),
    ],
)
def test_the_cloud_says_who_brings_the_token(servers: str, token_from: TokenFrom, region: str) -> None:
    found = read_connection("c", extra(servers, sasl__mechanism="OAUTHBEARER"))
    assert (found.token_from, found.region) == (token_from, region)
    assert read_connection("c", extra(MSK, sasl__mechanism="SCRAM-SHA-512")).token_from is TokenFrom.NOBODY


def test_librdkafka_fetches_what_it_can_fetch_itself() -> None:
    given = extra(sasl__mechanisms="OAUTHBEARER", sasl__oauthbearer__method="oidc")
    assert read_connection("c", given).token_from is TokenFrom.NOBODY


def test_a_callback_goes_before_all_and_has_to_be_allowed() -> None:
    given = extra(MSK, sasl__mechanism="OAUTHBEARER", oauth_cb="auth.token", sasl__oauthbearer__config="x=1")
    found = read_connection("c", given, {"auth.token"})
    assert (found.token_from, found.callback, found.argument) == (TokenFrom.CALLBACK, "auth.token", "x=1")
    with pytest.raises(SpecError, match="callback_allowlist") as failed:
        read_connection("c", given, {"auth.other"})
    assert failed.value.code == "KAFKA_CONNECTION"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no bootstrap.servers"),
        ({"bootstrap.servers": ["broker:9092"]}, "no bootstrap.servers"),
        (extra(sasl__mechanism="OAUTHBEARER"), "who brings the token"),
        (extra(oauth_cb=7), "no function's path"),
    ],
)
def test_what_cannot_be_meant_is_told_with_what_to_write(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said) as failed:
        read_connection("the connection c", {**given, "sasl.password": PASSWORD})
    assert failed.value.hint
    assert PASSWORD not in str(failed.value)


def test_a_certificate_that_was_escaped_twice_is_one() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
    for text in (pem, pem.replace("\n", "\\n")):
        assert read_connection("c", extra(ssl__ca__pem=text)).settings["ssl.ca.pem"] == pem
