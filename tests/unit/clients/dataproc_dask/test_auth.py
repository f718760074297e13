# SPDX-License-Identifier: Apache-2.0
"""Tokens: fetched beside the loop, once for all who want one, and never told."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip(
    "google.cloud.dataproc_v1", reason="needs google-cloud-dataproc: pip install 'airflow-dataops[gcp]'"
)

from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError, TransportError

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.google import AUTHS, CloudError, GoogleSettings, accounts_of
from airflow_dataops.core.dataproc_dask.observation import JobView
from airflow_dataops.core.dataproc_dask.request import cancel_request
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind
from airflow_dataops.core.machine import CallError
from tests.unit.clients.dataproc_dask.server import Server, always


class Slow(Credentials):  # type: ignore[misc]
    """A token that takes a while to fetch, or an error instead."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error, self.fetched, self.threads = error, 0, set[str]()

    def refresh(self, request: Any) -> None:
        self.fetched += 1
        self.threads.add(threading.current_thread().name)
        time.sleep(0.1)
        if self.error is not None:
            raise self.error
        self.token = f"token-{self.fetched}"
        self.expiry = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(hours=1)


@dataclass(frozen=True)
class Made:
    credentials: Slow

    def __call__(self) -> Any:
        return self.credentials

    def __hash__(self) -> int:
        return id(self.credentials)


@pytest.fixture
def call(run: DaskRun, server: Server) -> Call:
    from google.cloud import dataproc_v1 as protos

    server.answers["CancelJob"] = always(protos.Job.pb(protos.Job()))
    return Call(CallKind.CANCEL, cancel_request(run.cluster, job_id="j"))


async def test_many_callers_fetch_one_token_beside_the_loop(
    server: Server, settings: GoogleSettings, call: Call
) -> None:
    credentials = Slow()
    ours = replace(settings, credentials=Made(credentials))
    clients = [DataprocDaskClient(ours) for _ in range(20)]
    replies = await asyncio.gather(*(client.send(call) for client in clients))
    assert all(isinstance(reply, JobView) for reply in replies)
    assert credentials.fetched == 1
    assert all(name.startswith("dataops-google") for name in credentials.threads)
    assert {metadata["authorization"] for _, _, metadata in server.seen} == {"Bearer token-1"}
    for client in clients:
        await client.aclose()
    assert not any(ours.identity == key[1:] for key in AUTHS._held)


async def test_a_token_that_ends_is_fetched_again(server: Server, settings: GoogleSettings, call: Call) -> None:
    credentials = Slow()
    async with DataprocDaskClient(replace(settings, credentials=Made(credentials))) as client:
        await client.send(call)
        credentials.expiry = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        await client.send(call)
    assert [metadata["authorization"] for _, _, metadata in server.seen] == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefreshError("no such account"), "UNAUTHENTICATED"),
        (RefreshError("busy", retryable=True), "UNAVAILABLE"),
        (TransportError("no route to the token server"), "UNAVAILABLE"),
    ],
)
async def test_no_token_is_an_answer(
    server: Server, settings: GoogleSettings, call: Call, error: Exception, code: str
) -> None:
    async with DataprocDaskClient(replace(settings, credentials=Made(Slow(error)))) as client:
        reply = await client.send(call)
    assert isinstance(reply, CallError)
    assert reply.code == code
    assert str(error.args[0]) in reply.message
    assert server.names() == []


async def test_no_credentials_at_all_is_an_answer(
    settings: GoogleSettings, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    async with DataprocDaskClient(replace(settings, credentials=None)) as client:
        reply = await client.send(call)
    assert isinstance(reply, CallError)
    assert reply.code == "UNAUTHENTICATED"
    assert "missing.json" in reply.message


@pytest.mark.parametrize(
    ("chain", "accounts"),
    [(None, ()), ("", ()), ("a@p", ("a@p",)), ("a@p, b@p,", ("a@p", "b@p")), (["a@p", "b@p"], ("a@p", "b@p"))],
)
def test_a_chain_of_accounts_is_read(chain: Any, accounts: tuple[str, ...]) -> None:
    assert accounts_of(chain) == accounts


def test_whoever_is_not_known_is_told_how_to_be() -> None:
    assert "gcloud auth application-default login" in str(CloudError(CallError("UNAUTHENTICATED", "no"), "look"))
    assert "->" not in str(CloudError(CallError("NOT_FOUND", "no"), "look"))


async def test_another_account_is_acted_as(settings: GoogleSettings) -> None:
    chain = ("first@p.iam.gserviceaccount.com", "last@p.iam.gserviceaccount.com")
    found = replace(settings, impersonation_chain=chain).auth().load()
    assert found.service_account_email == "last@p.iam.gserviceaccount.com"
    assert found._delegates == ["first@p.iam.gserviceaccount.com"]


async def test_the_quota_project_is_told(server: Server, settings: GoogleSettings, call: Call) -> None:
    async with DataprocDaskClient(replace(settings, quota_project="payer")) as client:
        await client.send(call)
    assert server.seen[0][2]["x-goog-user-project"] == "payer"
