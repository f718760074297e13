# SPDX-License-Identifier: Apache-2.0
"""A connection's settings, which are librdkafka's, in the words of a client written in Python alone. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_dataops.core.kafka_health.settings import CLIENT_ID

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
# These name another way to be let in or to trust than the ones below; without them the answer would be another cluster's, or none.
_REFUSED = (
    "sasl.kerberos.", "sasl.oauthbearer.", "ssl.keystore.", "ssl.engine.", "ssl.providers", "ssl.crl.location", "ssl_", "enable.sasl.",
)  # fmt: skip
_OF_TLS = {
    "ssl.ca.location": "ca_file",
    "ssl.ca.pem": "ca_pem",
    "ssl.certificate.location": "certificate_file",
    "ssl.certificate.pem": "certificate_pem",
    "ssl.key.location": "key_file",
    "ssl.key.pem": "key_pem",
    "ssl.key.password": "key_password",
    "ssl.cipher.suites": "ciphers",
}
_OFF = ("false", "0", "f", "no", "none")


class Tls(NamedTuple):
    """Whom to trust, and as whom; each empty where nothing is said of it.

    Attributes:
        ca_file: Path of the authorities' certificates; ``ca_pem`` is their text.
        certificate_file: Path of the own certificate; ``certificate_pem`` is its text.
        key_file: Path of its key; ``key_pem`` is its text, ``key_password`` opens it.
        ciphers: As OpenSSL names them.
        check_name: Whether the broker's certificate must bear the name that it was asked for by.
        check: Whether it is looked at at all.
    """

    ca_file: str = ""
    ca_pem: str = ""
    certificate_file: str = ""
    certificate_pem: str = ""
    key_file: str = ""
    key_pem: str = ""
    key_password: str = ""
    ciphers: str = ""
    check_name: bool = True
    check: bool = True


class Plain(NamedTuple):
    """Settings of the client.

    Attributes:
        client: In its words.
        tls: None where the brokers are asked without.
    """

    client: dict[str, Any]
    tls: Tls | None


def plain_settings(settings: Mapping[str, Any], *, token: bool = False) -> Plain:
    """Return the settings in the client's words.

    Args:
        settings: Of the connection.
        token: Whether a token was brought along.

    Raises:
        ValueError: There is one that it cannot obey; the message names it, and no value.
    """
    protocol = str(settings.get("security.protocol") or "PLAINTEXT").upper()
    if protocol not in _PROTOCOLS:
        raise ValueError(f'"security.protocol" is none of {", ".join(_PROTOCOLS)}')
    known = _known(settings)
    mechanism = known.get("sasl.mechanism") or known.get("sasl.mechanisms") or "GSSAPI"
    client: dict[str, Any] = {
        "bootstrap_servers": _servers(settings),
        "client_id": str(settings.get("client.id") or CLIENT_ID),
        "security_protocol": protocol,
    }
    if protocol.startswith("SASL"):
        client |= _sasl(str(mechanism).upper(), known, token=token)
    return Plain(client, _tls(known) if protocol.endswith("SSL") else None)


def _servers(settings: Mapping[str, Any]) -> list[str]:
    text = str(settings.get("bootstrap.servers") or settings.get("metadata.broker.list") or "")
    # librdkafka lets a protocol stand before a broker, as in SASL_SSL://broker:9093.
    return [one.strip().rpartition("://")[2] for one in text.split(",") if one.strip()]


def _known(settings: Mapping[str, Any]) -> dict[str, str]:
    known = {}
    for name, value in settings.items():
        with_token = name.startswith("sasl.oauthbearer.config") or (
            name == "sasl.oauthbearer.method" and str(value).lower() == "default"
        )
        if name.startswith(_REFUSED) and not with_token:
            raise ValueError(f'"{name}" is not for brokers behind a bastion')
        if value not in (None, ""):
            known[name] = str(value)
    return known


def _sasl(mechanism: str, known: Mapping[str, str], *, token: bool) -> dict[str, Any]:
    if mechanism not in _MECHANISMS:
        raise ValueError(f'"sasl.mechanism" behind a bastion is one of {", ".join(_MECHANISMS)}')
    if mechanism == "OAUTHBEARER":
        if not token:
            raise ValueError('"sasl.mechanism" is OAUTHBEARER, and nobody brings a token: write oauth_cb')
        return {"sasl_mechanism": mechanism}
    user, password = known.get("sasl.username"), known.get("sasl.password")
    if not user or not password:
        raise ValueError(f'"{"sasl.password" if user else "sasl.username"}" is missing')
    return {"sasl_mechanism": mechanism, "sasl_plain_username": user, "sasl_plain_password": password}


def _tls(known: Mapping[str, str]) -> Tls:
    given = {field: known[name] for name, field in _OF_TLS.items() if name in known}
    check = known.get("enable.ssl.certificate.verification", "true").lower() not in _OFF
    named = known.get("ssl.endpoint.identification.algorithm", "https").lower() not in _OFF
    return Tls(**given, check_name=check and named, check=check)


__all__ = ["Plain", "Tls", "plain_settings"]
