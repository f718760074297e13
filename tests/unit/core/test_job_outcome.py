# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import signal

import pytest

from airflow_dataops.core.errors import DataOpsError, RunConflict, TransientError
from airflow_dataops.core.job_outcome import Ended, read_outcome


def failure(ended: Ended) -> DataOpsError:
    with pytest.raises(DataOpsError) as caught:
        read_outcome(ended)
    return caught.value


def test_a_result_is_returned_whatever_the_exit_code() -> None:
    assert read_outcome(Ended(1, b'{"job": "dq_gate", "error": null}'))["job"] == "dq_gate"


def test_an_error_document_becomes_its_error() -> None:
    document = {"error": RunConflict("busy", hint="wait").to_dict()}
    assert isinstance(failure(Ended(75, json.dumps(document).encode())), RunConflict)


@pytest.mark.parametrize("stdout", [b"hello", b"[]", b"{}", b'"text"', b'{"error": "text"}', b"\xff\xfe{"])
def test_what_is_no_document_is_shown(stdout: bytes) -> None:
    assert failure(Ended(0, stdout)).code == "JOB_GARBAGE"


def test_no_document_names_exit_code_and_log() -> None:
    error = failure(Ended(3, b"", ["one", "two"]))
    assert (error.code, "exit code 3" in error.message, "one | two" in error.message) == ("JOB_CRASHED", True, True)


@pytest.mark.parametrize(
    ("number", "oom", "code", "retry"),
    [
        (signal.SIGKILL, True, "OUT_OF_MEMORY", False),
        (signal.SIGKILL, None, "JOB_KILLED", True),
        (signal.SIGKILL, False, "JOB_KILLED", True),
        (signal.SIGTERM, None, "JOB_KILLED", True),
        (signal.SIGSEGV, None, "JOB_CRASHED", False),
        (200, None, "JOB_KILLED", True),
    ],
)
def test_a_signal_is_told_by_what_it_means(number: int, oom: bool | None, code: str, retry: bool) -> None:
    error = failure(Ended(-number, b"", out_of_memory=oom, memory_limit=2**30))
    assert (error.code, isinstance(error, TransientError)) == (code, retry)


def test_out_of_memory_says_limit_what_was_asked_and_the_way_out() -> None:
    text = str(failure(Ended(-9, b"", out_of_memory=True, memory_limit=2**30, memory_asked=2**29)))
    assert "limit 1.0 GiB" in text
    assert "given 512.0 MiB" in text
    assert "resources.memory_bytes" in text
