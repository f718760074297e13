# SPDX-License-Identifier: Apache-2.0
"""What people read of an error of Google's."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip(
    "google.cloud.dataproc_v1", reason="needs google-cloud-dataproc: pip install 'airflow-dataops[gcp]'"
)

from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.dataproc_dask.errors import status_error
from airflow_dataops.clients.google import clean
from airflow_dataops.core.dataproc_dask.diagnosis import Reason, diagnose_create
from airflow_dataops.core.dataproc_dask.request import cancel_request
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind
from airflow_dataops.core.machine import CallError
from tests.unit.clients.dataproc_dask.server import Server, abort

QUOTA = details.QuotaFailure(
    violations=[details.QuotaFailure.Violation(subject="project:p", description="CPUS: 24 wanted, 8 left")]
)
INFO = details.ErrorInfo(
    reason="IAM_PERMISSION_DENIED", domain="d", metadata={"permission": "dataproc.clusters.create"}
)
FIELD = details.BadRequest(
    field_violations=[details.BadRequest.FieldViolation(field="cluster.name", description="is too long")]
)
CONDITION = details.PreconditionFailure(
    violations=[details.PreconditionFailure.Violation(type="TOS", subject="api", description="is not on")]
)
HELP = details.Help(links=[details.Help.Link(description="Console", url="https://console.example/quota")])
DEBUG = details.DebugInfo(stack_entries=["secret stack"], detail="secret detail")


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        (QUOTA, "words; quota of project:p: CPUS: 24 wanted, 8 left"),
        (INFO, "words; IAM_PERMISSION_DENIED (permission dataproc.clusters.create)"),
        (FIELD, "words; cluster.name: is too long"),
        (CONDITION, "words; api: is not on"),
        (HELP, "words; https://console.example/quota"),
        (DEBUG, "words"),
    ],
)
async def test_details_over_the_wire_are_told(
    server: Server, client: DataprocDaskClient, run: DaskRun, detail: Any, said: str
) -> None:
    server.answers["CancelJob"] = abort("INVALID_ARGUMENT", "words", detail)
    reply = await client.send(Call(CallKind.CANCEL, cancel_request(run.cluster, job_id="j")))
    assert reply == CallError("INVALID_ARGUMENT", said)


def test_an_operations_error_has_its_details_too() -> None:
    status = Status(code=8, message="no")
    status.details.add().Pack(QUOTA)
    error = status_error(status)
    assert error == CallError("RESOURCE_EXHAUSTED", "no; quota of project:p: CPUS: 24 wanted, 8 left")
    assert diagnose_create(error)[0].code is Reason.QUOTA


def test_a_code_that_nobody_knows_is_unknown() -> None:
    assert status_error(Status(code=99, message="odd")) == CallError("UNKNOWN", "odd")


async def test_details_that_cannot_be_read_are_left_out(
    server: Server, client: DataprocDaskClient, run: DaskRun
) -> None:
    def answer(request: Any, context: Any) -> Any:
        import grpc

        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff not a status"),))
        context.abort(grpc.StatusCode.INTERNAL, "words")

    server.answers["CancelJob"] = answer
    reply = await client.send(Call(CallKind.CANCEL, cancel_request(run.cluster, job_id="j")))
    assert reply == CallError("INTERNAL", "words")


@pytest.mark.parametrize(
    "secret",
    [
        "ya29.a0AfB_byC-secret.part",
        "Bearer abc.def-ghi",
        "authorization: bearer xyz123",
        "eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl",
        '{"access_token": "s3cret-value", "x": 1}',
        "client_secret=s3cret-value&x=1",
        "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----",
    ],
)
def test_nothing_like_a_secret_is_told(secret: str) -> None:
    text = clean(f"before {secret} after")
    assert text.startswith("before ")
    for part in ("a0AfB", "abc.def", "xyz123", "eyJpc3", "s3cret", "MIIabc"):
        assert part not in text


def test_a_message_has_an_end() -> None:
    assert len(clean("x" * 100_000)) < 2100
