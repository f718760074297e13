# SPDX-License-Identifier: Apache-2.0
"""Of a connection's settings those that a probe takes, and what it sets itself. Standard library only: the probe's process loads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# How to reach the brokers and to be let in. All else (of consumers, producers, logs, plugins) is not a probe's, and could make it write.
_TAKEN = (
    "api.version.", "bootstrap.servers", "broker.address.", "broker.version.fallback", "client.dns.lookup", "client.id", "client.rack",
    "connections.max.idle.ms", "enable.sasl.", "enable.ssl.", "https.ca.", "metadata.broker.list", "receive.message.max.bytes",
    "resolve.", "sasl.", "security.protocol", "socket.", "ssl.",
)  # fmt: skip
_SECRET = (
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "ssl_key",
)
_MOST_MS = 300_000  # librdkafka takes no more
CLIENT_ID = "airflow-dataops-kafka-health"
# One message of a partition is wanted, and a broker sends whole batches: little of each, and of all together not more than this.
_PEEK_BYTES = 64 * 1024
_PEEK_KILOBYTES = 16 * 1024


def taken(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a probe takes from a connection."""
    return {
        name: value
        for name, value in settings.items()
        if name.startswith(_TAKEN) and not name.endswith("_cb") and isinstance(value, str | int | float)
    }


def secrets_in(settings: Mapping[str, Any]) -> list[str]:
    """Return the values that nobody may see."""
    return [str(value) for name, value in settings.items() if name in _SECRET and value]


def of_client(settings: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return the settings of every client of a probe.

    Args:
        settings: The connection's.
        seconds: How long the probe may take; no request and no attempt to connect takes longer.
    """
    longest = min(max(1000, int(seconds * 1000)), _MOST_MS)
    return {
        "client.id": CLIENT_ID,
        **taken(settings),
        "socket.timeout.ms": min(_number(settings, "socket.timeout.ms", longest), longest),
        "socket.connection.setup.timeout.ms": min(
            _number(settings, "socket.connection.setup.timeout.ms", longest), max(1000, longest // 3)
        ),
        # A broker that refuses the account is asked once: there are systems that lock one out for more.
        "reconnect.backoff.ms": 1000,
        "reconnect.backoff.max.ms": 2000,
        "topic.metadata.refresh.interval.ms": -1,
        "enable.metrics.push": False,
    }


def of_commits(settings: Mapping[str, Any], seconds: float, group: str) -> dict[str, Any]:
    """Return the settings of the consumer that asks for a group's commits; it never joins and never commits.

    ``read_uncommitted``: the commits that are valid now. The other level waits until a transaction that holds newer ones has ended.
    """
    return {
        **of_client(settings, seconds),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "allow.auto.create.topics": False,
        "isolation.level": "read_uncommitted",
    }


def of_peek(settings: Mapping[str, Any], seconds: float, group: str, isolation: str) -> dict[str, Any]:
    """Return the settings of the consumer that reads single records: of partitions that it is given, without joining."""
    return {
        **of_commits(settings, seconds, group),
        "isolation.level": isolation,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,
        "max.partition.fetch.bytes": _PEEK_BYTES,
        "queued.max.messages.kbytes": _PEEK_KILOBYTES,
        # The count is of all partitions together: a low one lets the first partition keep the others from being read.
        "queued.min.messages": 100_000,
    }


def _number(settings: Mapping[str, Any], name: str, otherwise: int) -> int:
    try:
        return int(settings.get(name, otherwise))
    except (TypeError, ValueError):
        return otherwise
