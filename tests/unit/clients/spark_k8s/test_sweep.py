# SPDX-License-Identifier: Apache-2.0
"""What the janitor says of SparkApplications that it may not list; over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.clients.spark_k8s.sweep import SweepReport, sweep_namespace
from airflow_dataops.core.spark_k8s.janitor import JanitorPolicy
from tests.unit.clients.spark_k8s.server import Answer, Server

pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'airflow-dataops[kubernetes]'")

KUBEFLOW, APACHE = "sparkoperator.k8s.io/v1beta2", "spark.apache.org/v1"
RULE = (
    '{"apiGroups": ["sparkoperator.k8s.io"], "resources": ["sparkapplications"], '
    '"verbs": ["create", "get", "list", "delete"]}'
)


def answers(kubeflow: int, apache: int = 404, pods: list[Any] | None = None) -> Callable[[str], Answer]:
    def answer(path: str) -> Answer:
        for api, status in ((KUBEFLOW, kubeflow), (APACHE, apache)):
            if path.startswith(f"/apis/{api}/"):
                return status, {"items": []} if status == 200 else {"message": f"no {api}"}
        return 200, {"items": pods or []}

    return answer


def swept(server: Server, **more: Any) -> SweepReport:
    async def sweep() -> SweepReport:
        async with SparkKubeClient(KubeSettings(host=server.url, namespace="analytics")) as client:
            return await sweep_namespace(client, JanitorPolicy(instance="tests"), now=datetime.now(UTC), **more)

    return asyncio.run(sweep())


def owned(api: str) -> dict[str, Any]:
    owner = {"apiVersion": api, "kind": "SparkApplication", "name": "a", "uid": "u"}
    return {"metadata": {"name": "a-driver", "uid": "d", "ownerReferences": [owner]}}


def test_a_kind_that_is_not_installed_is_not_spoken_of(server: Server) -> None:
    server.answer = answers(404)
    found = swept(server)
    assert (found.ok, found.blind, found.unlisted, found.warning) == (True, {}, {}, "")


def test_a_list_that_may_not_be_read_is_told_with_the_rule_that_is_missing(server: Server) -> None:
    server.answer = answers(403)
    found = swept(server)
    assert (found.ok, found.blind, list(found.unlisted)) == (True, {}, [KUBEFLOW])
    assert f"{KUBEFLOW}: FORBIDDEN: no {KUBEFLOW}" in found.warning
    assert found.warning.endswith(RULE)


def test_one_that_is_known_to_be_used_is_an_error(server: Server) -> None:
    server.answer = answers(403, 403)
    found = swept(server, used=[KUBEFLOW])
    assert not found.ok
    assert list(found.unlisted) == [APACHE]
    assert found.blind[KUBEFLOW].endswith(RULE)


@pytest.mark.parametrize(("owner", "ok"), [(KUBEFLOW, False), ("sparkoperator.k8s.io/v1", False), (APACHE, True)])
def test_a_driver_that_one_owns_shows_that_it_is_used(server: Server, owner: str, ok: bool) -> None:
    server.answer = answers(403, pods=[owned(owner)])
    assert swept(server).ok is ok


def test_any_other_error_is_one_whoever_uses_it(server: Server) -> None:
    server.answer = answers(200, 401)
    found = swept(server)
    assert (found.ok, list(found.blind), found.unlisted) == (False, [APACHE], {})
