# SPDX-License-Identifier: Apache-2.0
"""The process that asks Kafka: ``python -m airflow_dataops.clients.kafka_health.child``.

One line of JSON on stdin: ``{"settings": {librdkafka's}, "token": {…} | null, "asks": [GroupAsk, …], "seconds": s}``. One line on stdout
for each ask: ``{"ask": its place, "snapshot": {…}}``. It dies with the process that started it, and loads neither Airflow nor pydantic.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_dataops.clients import lifeline
from airflow_dataops.clients.kafka_health.budget import Budget
from airflow_dataops.core.kafka_health.asking import GroupAsk, read_ask
from airflow_dataops.core.kafka_health.settings import secrets_in
from airflow_dataops.core.secrets import hide

INSTALL = "pip install 'airflow-dataops[kafka]'"


def main() -> None:
    """Answer one request, and end without looking back: closing a client of a broker that is gone can take longer than any answer."""
    request = json.loads(lifeline.first_line(0))
    lifeline.hold(0)
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    asks = [read_ask(document) for document in request["asks"]]
    _answer(request, asks, _writer(out, _hidden(request)))
    sys.stderr.flush()
    os._exit(0)


def _answer(request: Mapping[str, Any], asks: Sequence[GroupAsk], say: Callable[[int, dict[str, Any]], None]) -> None:
    budget = Budget(float(request["seconds"]))
    settings = request["settings"]
    if not (settings.get("bootstrap.servers") or settings.get("metadata.broker.list")):
        return _refuse(asks, say, "PROBE_SETTINGS", "the connection has no bootstrap.servers")
    try:
        import confluent_kafka  # noqa: F401
    except ImportError as error:
        return _refuse(asks, say, "PROBE_NOT_INSTALLED", f"confluent-kafka cannot be imported ({error}): {INSTALL}")
    from airflow_dataops.clients.kafka_health.reader import Reader

    Reader(settings, budget, _token(request.get("token"))).read(asks, say)
    return None


def _refuse(asks: Sequence[GroupAsk], say: Callable[[int, dict[str, Any]], None], code: str, message: str) -> None:
    import time

    for number, ask in enumerate(asks):
        error = {"code": code, "message": message}
        say(number, {"group": ask.group, "taken_at_ms": int(time.time() * 1000), "error": error})


def _token(token: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the callback that gives a client the token that was brought along; this process lives for less time than any token."""
    if not token:
        return {}
    given = (token["value"], float(token["expires_at"]), token.get("principal") or "", token.get("extensions") or {})
    return {"oauth_cb": lambda _config: given}


def _hidden(request: Mapping[str, Any]) -> list[str]:
    token = request.get("token") or {}
    return [*secrets_in(request["settings"]), *([str(token["value"])] if token.get("value") else [])]


def _writer(out: int, secrets: Sequence[str]) -> Callable[[int, dict[str, Any]], None]:
    def say(number: int, snapshot: dict[str, Any]) -> None:
        told = {"ask": number, "snapshot": _without(snapshot, secrets)}
        line = json.dumps(told, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(out, line) :]

    return say


def _without(snapshot: dict[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """Hide secrets in the words of errors, and nowhere else: a password may be what a topic is called, too."""
    parts = [snapshot, *snapshot.get("topics", ()), *snapshot.get("partitions", ())]
    for part in parts:
        for name in ("error", "state_error"):
            if part.get(name):
                part[name] = {**part[name], "message": hide(part[name]["message"], secrets)}
    return snapshot


if __name__ == "__main__":
    main()
