# SPDX-License-Identifier: Apache-2.0
"""The questions of the preflight, over real HTTP: what is asked, how errors come back, that nothing unread is a pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("google.auth", reason="needs google-auth: pip install 'airflow-dataops[gcp]'")


from airflow_dataops.clients.dataproc_dask.preflight import HOSTS, ask, preflight
from airflow_dataops.clients.google import CloudError, GoogleSettings
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.asking import Question
from airflow_dataops.core.preflight.findings import Level
from tests.services.rest import RestServer
from tests.unit.clients.dataproc_dask.conftest import Token


class Rest(RestServer):
    """Answers by path; 404 where there is nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Any] = {}
        self.status: int | None = None
        self.hosts = {service: f"{self.url}/{service}" for service in HOSTS}

    def answer(self, path: str) -> tuple[int, Any]:
        known = self.answers.get(path, self.answers.get(unquote(urlsplit(path).path)))
        status = self.status or (200 if known is not None else 404)
        return status, known if status == 200 else {"error": {"message": "words of the server"}}


@pytest.fixture
def rest() -> Iterator[Rest]:
    made = Rest()
    yield made
    made.close()


SETTINGS = GoogleSettings("test-project", "europe-west1", credentials=Token())


def question(**changes: Any) -> Question:
    return replace(Question("q", "compute", "a/b", "roles/x", "p"), **changes)


def test_every_page_is_read_and_the_token_is_sent(rest: Rest) -> None:
    rest.answers = {"/compute/a/b": {"n": 1, "nextPageToken": "t/2"}, "/compute/a/b?pageToken=t%2F2": {"n": 2}}
    found = ask(SETTINGS, [question(paged=True)], rest.hosts).found["q"]
    assert found == {"pages": [{"n": 1, "nextPageToken": "t/2"}, {"n": 2}]}
    assert {token for _, _, token in rest.seen} == {"Bearer token-of-the-test"}


def test_a_body_is_posted(rest: Rest) -> None:
    rest.answers = {"/iam/a:testIamPermissions": {"permissions": ["x"]}}
    asked = question(service="iam", path="a:testIamPermissions", body={"permissions": ["x", "y"]})
    assert ask(SETTINGS, [asked], rest.hosts).get("q") == {"permissions": ["x"]}
    assert json.loads(rest.seen[0][1] or b"") == {"permissions": ["x", "y"]}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (400, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (503, "UNAVAILABLE"),
    ],
)
def test_an_error_is_an_answer(rest: Rest, status: int, code: str) -> None:
    rest.status = status
    assert ask(SETTINGS, [question()], rest.hosts).found["q"] == CallError(code, "words of the server")
    assert len(rest.seen) == 1


def test_nobody_there_is_an_answer(rest: Rest) -> None:
    rest.close()
    found = ask(SETTINGS, [question()], rest.hosts).found["q"]
    assert isinstance(found, CallError)
    assert found.code == "UNAVAILABLE"


def test_what_cannot_be_read_is_never_a_pass(rest: Rest, run: DaskRun) -> None:
    rest.status = 403
    found = preflight(SETTINGS, run, bucket="jobs", hosts=rest.hosts)
    passed = {finding.check for finding in found if finding.level is Level.OK}
    assert passed == {"rules"}
    unknown = [finding for finding in found if finding.level is Level.UNKNOWN]
    assert len(unknown) == 7
    assert all("gcloud" in (finding.fix or "") and "--role=" in (finding.fix or "") for finding in unknown)


def test_no_token_is_an_error(rest: Rest, run: DaskRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(CloudError) as raised:
        preflight(replace(SETTINGS, credentials=None), run, hosts=rest.hosts)
    assert raised.value.code == "UNAUTHENTICATED"
