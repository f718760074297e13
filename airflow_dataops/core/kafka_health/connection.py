# SPDX-License-Identifier: Apache-2.0
"""An Airflow connection of type ``kafka`` as a probe needs it: which settings, and where a token comes from."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.kafka_health.settings import taken

CODE = "KAFKA_CONNECTION"
CALLBACK = "oauth_cb"
# b-1.demo.abcde1.c2.kafka.eu-west-1.amazonaws.com:9098 and, serverless, boot-a1.c2.kafka-serverless.eu-west-1.amazonaws.com:9098
_MSK = re.compile(
    r"\.kafka(?:-serverless)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?(?::\d+)?(?=$|[,\s])", re.IGNORECASE
)
_PEM = ("ssl.ca.pem", "ssl.certificate.pem", "ssl.key.pem")


class TokenFrom(StrEnum):
    """Who brings the OAuth token."""

    NOBODY = "nobody"  # none is needed, or librdkafka fetches it (method oidc)
    CALLBACK = "callback"
    MSK = "msk"
    GOOGLE = "google"


@dataclass(frozen=True, repr=False)
class KafkaConnection:
    """A connection.

    Attributes:
        settings: Of librdkafka, with secrets; those only that a probe takes.
        token_from: Who brings its token.
        callback: Dotted path of the function that does.
        argument: What that is called with: ``sasl.oauthbearer.config``.
        region: Of AWS, for a token of MSK.
    """

    settings: Mapping[str, Any]
    token_from: TokenFrom = TokenFrom.NOBODY
    callback: str = ""
    argument: str = ""
    region: str = ""


def read_connection(name: str, extra: Mapping[str, Any], allowed: Collection[str] = ()) -> KafkaConnection:
    """Return what the ``extra`` of a connection means, as the provider apache-kafka understands it.

    A token is looked for in its order: the callback that the connection names, Google's managed Kafka, Amazon's MSK by IAM.

    Args:
        name: The connection, for messages.
        extra: Settings of librdkafka, and ``oauth_cb`` as a dotted path; those of consumers and producers are left out.
        allowed: Callbacks that may be called: the provider's ``[apache_kafka] callback_allowlist``.

    Raises:
        SpecError: Something in it cannot be meant (``KAFKA_CONNECTION``). Values are not repeated.
    """
    servers = extra.get("bootstrap.servers") or extra.get("metadata.broker.list")
    if not isinstance(servers, str) or not servers.strip():
        hint = 'write {"bootstrap.servers": "broker-1:9092,broker-2:9092"} into its extra'
        raise SpecError(f"{name} has no bootstrap.servers", hint=hint, code=CODE)
    settings = {setting: _value(setting, value) for setting, value in taken(extra).items()}
    argument = str(settings.get("sasl.oauthbearer.config", ""))
    if CALLBACK in extra:
        callback = _callback(name, extra[CALLBACK], allowed)
        return KafkaConnection(settings, TokenFrom.CALLBACK, callback, argument)
    mechanism = settings.get("sasl.mechanism") or settings.get("sasl.mechanisms")
    if str(mechanism).upper() != "OAUTHBEARER":
        if "cloud.goog" in servers and "managedkafka" in servers:
            return KafkaConnection(settings, TokenFrom.GOOGLE, argument=argument)
        return KafkaConnection(settings)
    return _with_token(name, settings, servers, argument)


def _with_token(name: str, settings: Mapping[str, Any], servers: str, argument: str) -> KafkaConnection:
    if str(settings.get("sasl.oauthbearer.method", "")).lower() == "oidc" or settings.get(
        "enable.sasl.oauthbearer.unsecure.jwt"
    ):
        return KafkaConnection(settings)
    if "cloud.goog" in servers and "managedkafka" in servers:
        return KafkaConnection(settings, TokenFrom.GOOGLE, argument=argument)
    msk = _MSK.search(servers)
    if msk is None:
        hint = (
            "write sasl.oauthbearer.method: oidc with its client id, secret and token endpoint, or oauth_cb: a function"
        )
        raise SpecError(f"{name} asks for OAUTHBEARER, and says not who brings the token", hint=hint, code=CODE)
    return KafkaConnection(settings, TokenFrom.MSK, argument=argument, region=msk["region"].lower())


def _callback(name: str, path: Any, allowed: Collection[str]) -> str:
    if not isinstance(path, str) or "." not in path:
        hint = 'write its dotted path: "oauth_cb": "my_package.auth.token"'
        raise SpecError(f"oauth_cb of {name} is no function's path", hint=hint, code=CODE)
    if path not in allowed:
        hint = f"add {path} to [apache_kafka] callback_allowlist (AIRFLOW__APACHE_KAFKA__CALLBACK_ALLOWLIST)"
        raise SpecError(
            f"oauth_cb of {name}, {path}, is not among the callbacks that may be called", hint=hint, code=CODE
        )
    return path


def _value(setting: str, value: Any) -> Any:
    """Return a value; a certificate whose line ends were escaped twice, as forms and shells do, with line ends again."""
    if setting in _PEM and isinstance(value, str) and "\n" not in value.strip():
        return value.replace("\\n", "\n")
    return value


__all__ = ["CODE", "KafkaConnection", "TokenFrom", "read_connection"]
