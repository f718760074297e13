# SPDX-License-Identifier: Apache-2.0
"""The process that asks Kafka: ``python -m airflow_dataops.clients.kafka_health.child``.

One line of JSON on stdin: ``{"settings": {librdkafka's}, "token": {…} | null, "bastion": {…} | null, "asks": [GroupAsk, …],
"seconds": s}``. One line on stdout for each ask: ``{"ask": its place, "snapshot": {…}}``. It dies with the process that started
it, and loads neither Airflow nor pydantic.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_dataops.clients import lifeline
from airflow_dataops.clients.kafka_health.budget import Budget
from airflow_dataops.core.kafka_health.asking import GroupAsk, read_ask
from airflow_dataops.core.kafka_health.bastion import Bastion
from airflow_dataops.core.kafka_health.settings import secrets_in
from airflow_dataops.core.secrets import hide

if TYPE_CHECKING:
    from airflow_dataops.clients.kafka_health.cluster import Cluster

INSTALL = "pip install 'airflow-dataops[kafka]'"
INSTALL_FAR = "pip install 'airflow-dataops[kafka-bastion]'"


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
    far = bool(request.get("bastion"))
    try:
        importlib.import_module("kafka.net.inet" if far else "confluent_kafka")
    except ImportError as error:
        what, install = ("kafka-python", INSTALL_FAR) if far else ("confluent-kafka", INSTALL)
        return _refuse(asks, say, "PROBE_NOT_INSTALLED", f"{what} cannot be imported ({error}): {install}")
    from airflow_dataops.clients.kafka_health.reader import Reader

    Reader(lambda: (_far if far else _near)(request, budget)).read(asks, say)
    return None


def _near(request: Mapping[str, Any], budget: Budget) -> Cluster:
    from airflow_dataops.clients.kafka_health.confluent import ConfluentCluster

    return ConfluentCluster(request["settings"], budget, _token(request.get("token")))


def _far(request: Mapping[str, Any], budget: Budget) -> Cluster:
    """Return a cluster that only a bastion reaches, by a client that can be told the way."""
    from airflow_dataops.clients.kafka_health.far_client import FarClient
    from airflow_dataops.clients.kafka_health.far_cluster import FarCluster
    from airflow_dataops.clients.kafka_health.tunnel import Tunnel

    tunnel = Tunnel(Bastion(**request["bastion"]), budget)
    return FarCluster(FarClient(request["settings"], tunnel, request.get("token")), budget)


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
    token, bastion = request.get("token") or {}, request.get("bastion")
    of_token = [str(token["value"])] if token.get("value") else []
    return [*secrets_in(request["settings"]), *of_token, *(Bastion(**bastion).secrets if bastion else [])]


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
