# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.machine import Accepted, CallError, Gone
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.lifecycle import begin
from airflow_dataops.core.spark_k8s.observation import APP_ID, Look, Observation, PodView, Reply
from airflow_dataops.core.spark_k8s.spec import RunParts
from airflow_dataops.core.spark_k8s.state import TRY, CallKind, State
from airflow_dataops.core.spark_k8s.turn import Call
from tests.unit.clients.spark_k8s.server import Answer, Server
from tests.unit.core.spark_k8s.samples import IDENTITY, parts

pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'airflow-dataops[kubernetes]'")

NAME = names.driver_name(IDENTITY, 2)
PODS = "/api/v1/namespaces/analytics/pods"
POD = {"metadata": {"name": NAME, "uid": "u"}, "status": {"phase": "Running"}}


def vault(wanted: Mapping[str, str]) -> Mapping[str, str]:
    assert dict(wanted) == {"AWS_SECRET_ACCESS_KEY": "conn:s3.password"}
    return {"AWS_SECRET_ACCESS_KEY": "hunter2"}


def closed(wanted: Mapping[str, str]) -> Mapping[str, str]:
    raise InputError("there is no connection s3")


def state_of(run: RunParts, **changes: Any) -> State:
    return begin(run, IDENTITY, now=datetime(2026, 1, 2, tzinfo=UTC)).state.model_copy(update={"attempt": 2, **changes})


def sent(server: Server, kind: CallKind, name: str, *, run: RunParts | None = None, secrets: Any = vault) -> Reply:
    run = run or parts()
    call = Call(kind, name, 2, "u", ((TRY, "1"),))

    async def main() -> Reply:
        async with SparkKubeClient(KubeSettings(host=server.url, namespace="analytics"), secrets=secrets) as client:
            return await client.send(run, state_of(run), call)

    return asyncio.run(main())


def seen(server: Server, *looks: Look, **changes: Any) -> Observation:
    run = parts()

    async def main() -> Observation:
        async with SparkKubeClient(KubeSettings(host=server.url, namespace="analytics")) as client:
            return await client.observe(run, state_of(run, **changes), frozenset(looks), None)

    return asyncio.run(main())


def test_a_driver_is_created_with_the_labels_of_the_call(server: Server) -> None:
    server.answer = lambda path: (201, POD)
    reply = sent(server, CallKind.CREATE_POD, NAME)
    assert isinstance(reply, PodView)
    assert server.seen == [f"POST {PODS}"]
    assert server.bodies[0]["metadata"]["labels"].items() >= {TRY: "1", names.ATTEMPT: "2"}.items()


@pytest.mark.parametrize(
    ("kind", "name", "resource"),
    [
        (CallKind.CREATE_CONFIG, names.config_name(NAME), "configmaps"),
        (CallKind.CREATE_SECRET, names.secret_name(NAME), "secrets"),
    ],
)
def test_what_belongs_to_a_driver_is_owned_by_it(server: Server, kind: CallKind, name: str, resource: str) -> None:
    assert sent(server, kind, name) == Accepted()
    assert server.seen == [f"POST /api/v1/namespaces/analytics/{resource}"]
    (owner,) = server.bodies[0]["metadata"]["ownerReferences"]
    assert (server.bodies[0]["metadata"]["name"], owner["name"], owner["uid"]) == (name, NAME, "u")


def test_values_of_secrets_are_in_the_secret_and_nowhere_else(server: Server) -> None:
    for kind, name in [(CallKind.CREATE_POD, NAME), (CallKind.CREATE_CONFIG, names.config_name(NAME))]:
        server.answer = lambda path: (201, POD)
        sent(server, kind, name)
    assert "hunter2" not in json.dumps(server.bodies)
    sent(server, CallKind.CREATE_SECRET, names.secret_name(NAME))
    assert {name: b64decode(data) for name, data in server.bodies[-1]["data"].items()} == {
        "AWS_SECRET_ACCESS_KEY": b"hunter2"
    }


@pytest.mark.parametrize("secrets", [None, closed, lambda wanted: {}])
def test_a_secret_that_cannot_be_had_is_an_answer_and_nothing_is_sent(server: Server, secrets: Any) -> None:
    reply = sent(server, CallKind.CREATE_SECRET, names.secret_name(NAME), secrets=secrets)
    assert isinstance(reply, CallError)
    assert (reply.code, "AWS_SECRET_ACCESS_KEY" in reply.message, server.seen) == ("BAD_REQUEST", True, [])


@pytest.mark.parametrize("api", ["sparkoperator.k8s.io/v1beta2", "spark.apache.org/v1"])
def test_an_application_goes_to_its_own_api(server: Server, api: str) -> None:
    run = parts("target", {"namespace": "analytics", "mode": "crd", "application_api": api})
    sent(server, CallKind.DELETE_APPLICATION, NAME, run=run)
    server.answer = lambda path: (201, POD)
    sent(server, CallKind.CREATE_APPLICATION, NAME, run=run)
    base = f"/apis/{api}/namespaces/analytics/sparkapplications"
    assert server.seen == [f"DELETE {base}/{NAME}", f"POST {base}?fieldValidation=Strict"]


def test_everything_that_is_asked_for_is_looked_at_with_one_request_each(server: Server) -> None:
    def answer(path: str) -> Answer:
        if "/log" in path:
            return 200, b"the end\n"
        return (200, POD) if path.startswith(f"{PODS}/") else (200, {"items": []})

    server.answer = answer
    found = seen(server, Look.POD, Look.PODS, Look.EVENTS, Look.EXECUTORS, Look.LOG_TAIL)
    assert (found.pods, found.events, found.executors, found.log_tail) == ((), (), (), "the end\n")
    assert isinstance(found.pod, PodView)
    assert len(server.seen) == 5


def test_what_is_not_there_and_what_cannot_be_told_are_different(server: Server) -> None:
    server.answer = lambda path: (404, {}) if "configmaps" in path else (403, {"message": "no"})
    found = seen(server, Look.CONFIG, Look.PODS, Look.LOG_TAIL)
    assert (found.config, found.pods, found.log_tail) == (
        Gone(),
        CallError("FORBIDDEN", "no"),
        CallError("FORBIDDEN", "no"),
    )


def test_dead_executors_bring_their_last_lines(server: Server) -> None:
    pods = [
        {"metadata": {"name": f"e{n}", "uid": f"u{n}"}, "status": {"phase": "Failed" if n else "Running"}}
        for n in range(2)
    ]
    server.answer = lambda path: (200, b"a\nb\n") if "/log" in path else (200, {"items": pods})
    executors = seen(server, Look.EXECUTORS).executors
    assert isinstance(executors, tuple)
    assert [(one.name, one.lines) for one in executors] == [("e0", ()), ("e1", ("a", "b"))]


def test_only_drivers_of_the_run_are_listed(server: Server) -> None:
    server.answer = lambda path: (200, {"items": []})
    seen(server, Look.PODS)
    assert names.run_key(IDENTITY) in server.seen[0]
    assert "spark-role%3Ddriver" in server.seen[0]
    assert APP_ID not in server.seen[0]
