# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.kafka_health.plain_settings import Tls, plain_settings

BROKERS = {"bootstrap.servers": "a:1, SASL_SSL://b:2,"}


def test_brokers_and_name() -> None:
    found = plain_settings(BROKERS)
    assert found.tls is None
    assert found.client["bootstrap_servers"] == ["a:1", "b:2"]
    assert found.client["security_protocol"] == "PLAINTEXT"
    assert plain_settings({**BROKERS, "client.id": "me"}).client["client_id"] == "me"


@pytest.mark.parametrize("name", ["sasl.mechanism", "sasl.mechanisms"])
def test_a_password(name: str) -> None:
    settings = {"security.protocol": "sasl_ssl", name: "scram-sha-512", "sasl.username": "u", "sasl.password": "p"}
    found = plain_settings({**BROKERS, **settings})
    given = {key: found.client[key] for key in found.client if key.startswith("sasl")}
    assert given == {"sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "u", "sasl_plain_password": "p"}
    assert found.tls == Tls()


def test_a_token_has_to_be_brought() -> None:
    settings = {**BROKERS, "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
    assert plain_settings(settings, token=True).client["sasl_mechanism"] == "OAUTHBEARER"
    argued = {**settings, "sasl.oauthbearer.config": "x", "sasl.oauthbearer.method": "default"}
    assert plain_settings(argued, token=True).client == plain_settings(settings, token=True).client
    with pytest.raises(ValueError, match="oauth_cb"):
        plain_settings(settings)


@pytest.mark.parametrize(
    ("given", "tls"),
    [
        ({"ssl.ca.location": "/ca", "ssl.key.password": "x"}, Tls(ca_file="/ca", key_password="x")),
        ({"ssl.ca.pem": "C", "ssl.certificate.pem": "D", "ssl.key.pem": "K"}, Tls("", "C", "", "D", "", "K")),
        ({"ssl.endpoint.identification.algorithm": "none"}, Tls(check_name=False)),
        ({"ssl.endpoint.identification.algorithm": "https"}, Tls()),
        ({"enable.ssl.certificate.verification": "false"}, Tls(check=False, check_name=False)),
        ({"enable.ssl.certificate.verification": True}, Tls()),
    ],
)
def test_tls(given: dict[str, Any], tls: Tls) -> None:
    assert plain_settings({**BROKERS, "security.protocol": "SSL", **given}).tls == tls


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"security.protocol": "TLS"}, "security.protocol"),
        ({"security.protocol": "SASL_SSL"}, "sasl.mechanism"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}, "sasl.mechanism"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "sasl.username"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "u"}, "sasl.password"),
        ({"sasl.oauthbearer.method": "oidc"}, "sasl.oauthbearer.method"),
        ({"ssl.keystore.location": "/p12"}, "ssl.keystore.location"),
        ({"ssl.crl.location": "/crl"}, "ssl.crl.location"),
        ({"sasl.kerberos.keytab": "/k"}, "sasl.kerberos.keytab"),
    ],
)
def test_what_this_client_cannot_obey_is_refused_by_name(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        plain_settings({**BROKERS, **given})
    assert "/" not in str(raised.value)
