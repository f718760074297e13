# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.clients.s3_errors import answer_of, s3_error
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.s3 import S3Keys, S3Settings

SETTINGS = S3Settings(endpoint_url="https://s3.example.com")
KEYS = S3Keys("AKIDEXAMPLE", "hunter2-hunter2")


class Refusal(Exception):
    """What botocore raises for an answer that is none of success."""

    def __init__(self, code: str, status: int, message: str = "no") -> None:
        super().__init__(message)
        self.response: dict[str, Any] = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }


def error_of(code: str, status: int, message: str = "no") -> DataOpsError:
    return s3_error(Refusal(code, status, message), "read", "s3://lake/x", SETTINGS, KEYS)


@pytest.mark.parametrize(
    ("code", "status", "ours", "retryable"),
    [
        ("SignatureDoesNotMatch", 403, "S3_AUTH", False),
        ("ExpiredToken", 400, "S3_AUTH", False),
        ("AccessDenied", 403, "STORAGE_DENIED", False),
        ("403", 403, "STORAGE_DENIED", False),
        ("NoSuchBucket", 404, "BUCKET_MISSING", False),
        ("RequestTimeTooSkewed", 403, "S3_CLOCK", False),
        ("NotImplemented", 501, "S3_UNSUPPORTED", False),
        ("NoSuchKey", 404, "SOURCE_MISSING", False),
        ("404", 404, "SOURCE_MISSING", False),
        ("PreconditionFailed", 412, "FAILED_PRECONDITION", True),
        ("ConditionalRequestConflict", 409, "FAILED_PRECONDITION", True),
        ("SlowDown", 503, "STORAGE", True),
        ("InternalError", 500, "STORAGE", True),
    ],
)
def test_each_answer_has_its_code_and_says_whether_a_retry_may_help(
    code: str, status: int, ours: str, retryable: bool
) -> None:
    error = error_of(code, status)
    assert (error.code, error.retryable, error.details["status"]) == (ours, retryable, status)
    assert error.hint
    assert code in error.message


def test_an_answer_that_repeats_a_key_is_told_without_it() -> None:
    error = error_of("InvalidAccessKeyId", 403, "the key AKIDEXAMPLE with hunter2-hunter2 is not known")
    assert "the key *** with *** is not known" in error.message


def test_where_nothing_came_back_the_client_s_own_word_is_told() -> None:
    error = s3_error(TimeoutError("timed out"), "list", "s3://lake", SETTINGS)
    assert (error.code, error.retryable) == ("STORAGE", True)
    assert "TimeoutError: timed out" in error.message
    assert answer_of(TimeoutError()).message == "TimeoutError"
