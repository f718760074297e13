# SPDX-License-Identifier: Apache-2.0
"""Asks an API server, and S3, what the preflight wants to know; what the answers mean is said in ``core/preflight``. Nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.clients.spark_k8s.wire import Wire
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.findings import Finding
from airflow_dataops.core.preflight.kube_asking import KubeAnswers, KubeQuestion
from airflow_dataops.core.preflight.spark_k8s import Store, findings, more_questions, questions, stores_of
from airflow_dataops.core.spark_k8s.spec import RunParts

if TYPE_CHECKING:
    from airflow_dataops.clients.s3 import S3Client

_AT_ONCE = 8
_DEADLINE = 15.0


def preflight(
    settings: KubeSettings, run: RunParts, *, s3: S3Client | None = None, lake: str | None = None
) -> tuple[Finding, ...]:
    """Look whether all is there that a run needs, and return what was found; it changes nothing and blocks for some seconds.

    Args:
        settings: Where Kubernetes is, and as whom it is asked: as Airflow's own account, or the answers are another's.
        run: What is wanted; it may break rules, which are findings too.
        s3: Looks at the addresses in S3 that the run names; None tells that nobody looked.
        lake: Root of the tables, looked at with those.

    Raises:
        SpecError: The run's mode is ``standalone`` (``ENGINE_NOT_AVAILABLE``).
        MissingDependency: What is needed to reach Kubernetes is not installed.
    """
    asked = questions(run)
    with ThreadPoolExecutor(1) as beside:  # an endpoint that does not answer takes long
        looked = beside.submit(lambda: [_look(s3, uri) for uri in stores_of(run, lake)])
        answers = asyncio.run(_answers(settings, run, asked))
        return findings(run, answers, looked.result())


async def _answers(settings: KubeSettings, run: RunParts, asked: Iterable[KubeQuestion]) -> KubeAnswers:
    wire = Wire(settings)
    try:
        first = KubeAnswers(settings.namespace, await _ask(wire, asked))
        more = await _ask(wire, more_questions(run, first))
        return KubeAnswers(settings.namespace, {**first.found, **more})
    finally:
        await wire.close()


async def _ask(wire: Wire, asked: Iterable[KubeQuestion]) -> dict[str, Any]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(question: KubeQuestion) -> tuple[str, Any]:
        method = "GET" if question.body is None else "POST"
        async with turns:
            found = await wire.request(
                method, question.path, query=question.query, body=question.body, deadline=_DEADLINE
            )
        known = isinstance(found, dict | CallError)
        return question.key, found if known else CallError("LOST", "the answer is no document")

    return dict(await asyncio.gather(*(one(question) for question in asked)))


def _look(s3: S3Client | None, uri: str) -> Store:
    if s3 is None:
        return Store(uri)
    try:
        seen = s3.check_connectivity(_folder(uri))
    except DataOpsError as error:
        keyless = error.details.get("code") == "NoCredentialsError"
        return Store(uri, error=f"{error.code}: {error.message}", hint=error.hint, keyless=keyless)
    return Store(uri, seconds=seen.seconds, skew=seen.clock_skew)


def _folder(uri: str) -> str:
    """Return the address as boto3's client has it; of a file, its own name is the prefix that is listed."""
    return "s3://" + uri.partition("://")[2]


__all__ = ["preflight"]
