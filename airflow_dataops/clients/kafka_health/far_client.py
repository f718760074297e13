# SPDX-License-Identifier: Apache-2.0
"""Asks brokers through a bastion: kafka-python's connections, on ways of a tunnel. Loaded in a probe's process only."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import kafka.errors
from kafka import KafkaConsumer, TopicPartition
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.sasl.oauth import AbstractTokenProvider
from kafka.net.selector import NetworkSelector

from airflow_dataops.clients.kafka_health import far_messages
from airflow_dataops.clients.kafka_health.cluster import Unread
from airflow_dataops.clients.kafka_health.tls import context_of
from airflow_dataops.clients.kafka_health.tunnel import Tunnel
from airflow_dataops.core.kafka_health.causes import REFUSED, Told, plain
from airflow_dataops.core.kafka_health.plain_settings import plain_settings

_SCHEME = "dataops-bastion"
_MOST_BYTES = 100_000_000
_PEEK_BYTES = 64 * 1024
K = TypeVar("K")


class FarClient:
    """Connections to brokers behind a bastion.

    Args:
        settings: Of the connection, librdkafka's.
        tunnel: The way there.
        token: OAuth token that was brought along: ``value``, and ``extensions``.

    Attributes:
        heard: Why brokers did not answer, oldest first.

    Raises:
        Unread: There are settings that it cannot obey.
    """

    def __init__(self, settings: Mapping[str, Any], tunnel: Tunnel, token: Mapping[str, Any] | None = None) -> None:
        log = logging.getLogger("kafka")  # what it logs is what its exceptions say, and more than anybody reads
        log.propagate = False
        log.addHandler(logging.NullHandler())
        log.setLevel(logging.CRITICAL + 1)
        self.heard = tunnel.heard
        try:
            found = plain_settings(settings, token=bool(token))
            context = None if found.tls is None else context_of(found.tls, _SecuredWay)
        except (ValueError, OSError, ssl.SSLError) as error:
            raise Unread(Told("PROBE_SETTINGS", _words(error))) from None
        self._config = {
            **found.client,
            "ssl_context": context,
            "proxy_url": f"{_SCHEME}://bastion",
            "receive_message_max_bytes": _MOST_BYTES,
        }
        if token:
            self._config["sasl_oauth_token_provider"] = _Token(token)
        _ways_of(tunnel)
        self._net = NetworkSelector(client_id=self._config["client_id"])
        # As many requests as there are may be under way; beyond five it would refuse them.
        self._manager = KafkaConnectionManager(
            self._net, **self._config, max_in_flight_requests_per_connection=_AT_ONCE, reconnect_backoff_ms=1000
        )
        self._net.start()
        self._reached = False

    def version_of(self, request: Any) -> int:
        """Return the version in which the brokers take a kind of request."""
        return int(self._manager.broker_version_data.api_version(request))

    def metadata(self, topics: Collection[str] | None, seconds: float) -> Any:
        """Return what a broker says of topics, or why none says anything.

        Args:
            topics: Their names; None for all that the account may see.
            seconds: How long it may take.
        """
        brokers = self._manager.cluster.brokers() or self._manager.cluster.bootstrap_brokers()
        for broker in brokers:
            [answer] = self.ask({0: (broker.node_id, far_messages.metadata(topics))}, seconds / len(brokers)).values()
            if not isinstance(answer, Told):
                self._manager.cluster.update_metadata(answer)
                return answer
        return Told("_TRANSPORT", "no broker answers")

    def coordinators(self, groups: Sequence[str], seconds: float) -> dict[str, int | Told]:
        """Return group -> the broker that coordinates it, or why that is not known."""
        asks = far_messages.find_coordinators(groups, self.version_of)
        node = self._manager.cluster.brokers()[0].node_id
        found: dict[str, int | Told] = {}
        for number, answer in self.ask(dict(enumerate((node, ask) for ask in asks)), seconds).items():
            if isinstance(answer, Told):
                told: dict[str, Any] = dict.fromkeys(groups if len(asks) == 1 else [groups[number]], answer)
            else:
                told = far_messages.coordinators(answer, asks[number])
            found |= {group: one if isinstance(one, Told) else one.node_id for group, one in told.items()}
        return found

    def ask(self, asks: Mapping[K, tuple[Any, Any]], seconds: float) -> dict[K, Any]:
        """Send requests at once, and return the answers, or why there is none.

        Args:
            asks: Key -> broker and request.
            seconds: How long it may take.
        """

        async def at_once() -> dict[K, Any]:
            sent = {key: self._sent(node, request, milliseconds) for key, (node, request) in asks.items()}
            return {key: await self._heard(future, milliseconds) for key, future in sent.items()}

        milliseconds = max(1, int(seconds * 1000))
        found: dict[K, Any] = self._manager.run(at_once)
        return found

    def _sent(self, node: Any, request: Any, milliseconds: int) -> Any:
        try:
            connection = self._manager.get_connection(node, timeout_ms=milliseconds)
            return connection.send_request(request, request_timeout_ms=milliseconds)
        except Exception as error:  # noqa: BLE001 - of one broker; the others are still asked
            return self._told(error)

    async def _heard(self, future: Any, milliseconds: int) -> Any:
        if isinstance(future, Told):
            return future
        try:
            return await self._manager.wait_for(future, milliseconds)
        except Exception as error:  # noqa: BLE001 - also what it makes of an answer that it does not understand
            return self._told(error)

    def _told(self, error: Exception) -> Told:
        found = told(error)
        if found.code in REFUSED or found.code == "_TRANSPORT":
            self.heard.append(found)
        return found

    def consumer(self, isolation: str, seconds: float) -> tuple[Any, Callable[[str, int], Any]]:
        """Return a consumer without a group, and what makes a partition of a topic and a number."""
        found = KafkaConsumer(
            **self._config,
            group_id=None,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="earliest",
            isolation_level=isolation,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=_PEEK_BYTES,
            bootstrap_timeout_ms=max(1, int(seconds * 1000)),
            metrics_enabled=False,
        )
        return found, TopicPartition


_AT_ONCE = 1_000_000


class _EndsLater:
    """A socket whose end comes by itself, and not together with the last bytes.

    kafka-python (3.0.12) forgets what it has just received where the end follows at once: a broker's word for why it lets nobody in.
    """

    _came = False

    def recv(self, *args: Any) -> bytes:
        found: bytes = super().recv(*args)  # type: ignore[misc]  # of the socket that it is mixed into
        if not found and self._came:
            self._came = False
            raise BlockingIOError
        self._came = bool(found)
        return found


class _Way(_EndsLater, socket.socket):
    pass


class _SecuredWay(_EndsLater, ssl.SSLSocket):
    pass


class _Token(AbstractTokenProvider):  # type: ignore[misc]
    def __init__(self, token: Mapping[str, Any]) -> None:
        super().__init__()
        self._given = token

    def token(self) -> str:
        return str(self._given["value"])

    def extensions(self) -> dict[str, str]:
        return dict(self._given.get("extensions") or {})


def _ways_of(tunnel: Tunnel) -> None:
    """Let connections of kafka-python be ways of a tunnel; it keeps kinds of sockets by the scheme of a proxy's address."""

    class Way(KafkaNetSocket):  # type: ignore[misc]
        SCHEMES = (_SCHEME,)

        def dns_lookup(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            return [(socket.AF_UNSPEC, socket.SOCK_STREAM, 0, "", (host, port))]  # the bastion's to look up

        async def connect(self, _: Any, addrinfo: Any, *__: Any, **___: Any) -> Any:
            way = _Way(fileno=tunnel.way(*addrinfo[4]).detach())
            way.setblocking(False)
            return way


def told(error: Exception) -> Told:
    """Return the name of an error of kafka-python in the protocol, or librdkafka's for one of the way, and its words."""
    words = _words(error)
    if isinstance(error, kafka.errors.IncompatibleBrokerVersion):
        return Told("_UNSUPPORTED_FEATURE", words)
    name = getattr(error, "message", "")
    if isinstance(error, kafka.errors.BrokerResponseError) and isinstance(name, str) and name:
        return Told(name, words)
    if isinstance(error, kafka.errors.KafkaTimeoutError):
        return Told("_TIMED_OUT", words)
    return plain(Told("_TRANSPORT", words))


def _words(error: Exception) -> str:
    with contextlib.suppress(AttributeError, IndexError):
        return str(error.args[0])
    return type(error).__name__
