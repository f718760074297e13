# SPDX-License-Identifier: Apache-2.0
"""Asks Google's REST services what the preflight wants to know; what the answers mean is said in ``core/preflight``."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from airflow_dataops import __version__
from airflow_dataops.clients.gcs import status_name, storage_error
from airflow_dataops.clients.google import AUTHS, CloudError, GoogleSettings, clean, import_google
from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.asking import Answers, Question
from airflow_dataops.core.preflight.dataproc_dask import Lifecycle, findings, questions
from airflow_dataops.core.preflight.findings import Finding

HOSTS = {
    "cloudkms": "https://cloudkms.googleapis.com/v1",
    "cloudresourcemanager": "https://cloudresourcemanager.googleapis.com/v1",
    "compute": "https://compute.googleapis.com/compute/v1",
    "file": "https://file.googleapis.com/v1",
    "iam": "https://iam.googleapis.com/v1",
    "storage": "https://storage.googleapis.com/storage/v1",
}
_TIMEOUT = (5.0, 20.0)
_AT_ONCE = 8
_MOST_PAGES = 50


def preflight(
    settings: GoogleSettings,
    run: RunParts,
    *,
    bucket: str | None = None,
    lifecycle: Lifecycle = "airflow",
    lake: str | None = None,
    hosts: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """Look whether all is there that a run needs, and return what was found; it changes nothing and blocks for some seconds.

    Args:
        settings: As whom to ask.
        run: What is wanted; it may break rules, which are findings too.
        bucket: Bucket of the jobs' documents.
        lifecycle: Who makes and deletes the cluster.
        lake: Root of the tables that the machines write; None where the job says itself what it writes.
        hosts: Service -> base address, for those of :data:`HOSTS` that lie elsewhere.

    Raises:
        CloudError: There is no token to ask with.
        MissingDependency: Google's libraries are not installed.
    """
    asked = questions(run, bucket, lifecycle, lake)
    return findings(run, ask(settings, asked, hosts or {}), bucket, lifecycle, lake)


def ask(settings: GoogleSettings, asked: Iterable[Question], hosts: Mapping[str, str]) -> Answers:
    """Ask all questions, some at once, each once; an error is an answer.

    Args:
        settings: As whom.
        asked: The questions.
        hosts: Service -> base address, for those that lie elsewhere.

    Raises:
        CloudError: There is no token to ask with.
        MissingDependency: Google's libraries are not installed.
    """
    asked = tuple(asked)
    auth = AUTHS.acquire(settings.identity, settings.auth)
    try:
        auth.refresh()
        session = import_google("google.auth.transport.requests").AuthorizedSession(auth.credentials)
        session.headers["User-Agent"] = f"airflow-dataops/{__version__}"
        with session, ThreadPoolExecutor(_AT_ONCE) as pool:
            read = functools.partial(_read, session, {**HOSTS, **hosts})
            found = dict(zip((question.key for question in asked), pool.map(read, asked), strict=True))
        return Answers(found, {question.key: question for question in asked}, _member(auth.credentials))
    finally:
        AUTHS.release(settings.identity)


def _read(session: Any, hosts: Mapping[str, str], question: Question) -> dict[str, Any] | CallError:
    address = f"{hosts[question.service].rstrip('/')}/{question.path}"
    pages: list[dict[str, Any]] = []
    token = ""
    try:
        for _ in range(_MOST_PAGES):
            joint = "&" if "?" in address else "?"
            answer = _send(session, address + (f"{joint}pageToken={quote(token, safe='')}" if token else ""), question)
            if not question.paged:
                return answer
            pages.append(answer)
            token = answer.get("nextPageToken", "")
            if not token:
                break
        return {"pages": pages}
    except CloudError as error:
        return error.error
    except ValueError as error:
        return CallError("INTERNAL", f"the answer is no JSON: {error}")
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("google", "requests", "urllib3"):
            raise
        return storage_error(error)


def _send(session: Any, address: str, question: Question) -> dict[str, Any]:
    if question.body is None:
        answer = session.get(address, timeout=_TIMEOUT, max_allowed_time=60)
    else:
        answer = session.post(address, json=dict(question.body), timeout=_TIMEOUT, max_allowed_time=60)
    if not answer.ok:
        raise CloudError(CallError(status_name(answer.status_code), _said(answer)), f"ask {question.service}")
    found = json.loads(answer.content)
    return found if isinstance(found, dict) else {"answer": found}


def _said(answer: Any) -> str:
    try:
        return clean(str(json.loads(answer.content)["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


def _member(credentials: Any) -> str:
    """Return who asks, as IAM writes it; a word to replace where the credentials do not say."""
    email = getattr(credentials, "service_account_email", None) or getattr(credentials, "signer_email", None)
    if email and "@" in str(email):
        return f"serviceAccount:{email}"
    account = getattr(credentials, "account", None)
    return f"user:{account}" if account else "MEMBER"


__all__ = ["HOSTS", "ask", "preflight"]
