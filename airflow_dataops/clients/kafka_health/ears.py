# SPDX-License-Identifier: Apache-2.0
"""What a Kafka client tells beside its answers: the cause of a refused password or certificate comes no other way."""

from __future__ import annotations

import logging
from typing import Any

from airflow_dataops.clients.kafka_health.budget import Budget
from airflow_dataops.core.kafka_health.causes import Told, cause_of, patience_with, plain, refused

_KEPT = 50


class Ears:
    """Hears the errors of one client; nothing of it reaches standard error.

    Attributes:
        heard: What was told, oldest first.
    """

    def __init__(self) -> None:
        self.heard: list[Told] = []
        self._cut = float("inf")

    def settings(self) -> dict[str, Any]:
        """Return the settings that let a client tell us."""
        return {"error_cb": self._hear, "logger": _silent()}

    def cause(self, error: Any) -> Told:
        """Return why a call failed: a ``KafkaError``, or the exception that holds one."""
        return cause_of(told(error), self.heard)

    def refused(self) -> bool:
        """Tell whether the brokers do not let the account in."""
        return refused(self.heard)

    def cut(self, end: Budget) -> Budget:
        """Return until when an answer may still come, by what was told: the other brokers are tried once, then it makes no sense."""
        patience = patience_with(self.heard)
        if patience is None or patience >= self._cut:
            return end
        self._cut = patience
        return Budget(min(patience, end.left()))

    def listen(self, consumer: Any) -> None:
        """Hear what a consumer has not told yet; some of it comes as messages."""
        for _ in range(_KEPT):
            message = consumer.poll(0)
            if message is None:
                return
            if message.error() is not None:
                self._hear(message.error())

    def _hear(self, error: Any) -> None:
        if len(self.heard) < _KEPT:
            self.heard.append(plain(told(error)))


def told(error: Any) -> Told:
    """Return the name and the words of a ``KafkaError``, of an exception that holds one, or of any other exception."""
    inner = error.args[0] if isinstance(error, Exception) and error.args else error
    if hasattr(inner, "name") and hasattr(inner, "str"):
        return Told(inner.name(), inner.str())
    return Told(type(error).__name__, str(error))


def _silent() -> logging.Logger:
    log = logging.getLogger("airflow_dataops.kafka_health.client")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    log.setLevel(logging.CRITICAL + 1)
    return log
