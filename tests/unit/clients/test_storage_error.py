# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno

import pytest

from airflow_dataops.clients.storage_error import error_number, storage_error


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('Could not write file "/lake/x": No space left on device', errno.ENOSPC),
        ('{"exception_message":"Could not write","errno":"28"}', errno.ENOSPC),
        ("Generic LocalFileSystem error: Unable to copy data to file (os error 122)", errno.EDQUOT),
        ('Cannot open file "/lake/x": Permission denied', errno.EACCES),
        ("the cat sat on the mat", None),
        ("", None),
    ],
)
def test_the_number_is_found_in_what_a_library_says(text: str, number: int | None) -> None:
    assert error_number(text) == number


@pytest.mark.parametrize(
    ("number", "code", "retryable", "hint"),
    [
        (errno.ENOSPC, "DISK_FULL", True, "free some space"),
        (errno.EDQUOT, "DISK_FULL", True, "free some space"),
        (errno.EFBIG, "DISK_FULL", True, "free some space"),
        (errno.EACCES, "STORAGE_DENIED", False, "let user"),
        (errno.EPERM, "STORAGE_DENIED", False, "let user"),
        (errno.EROFS, "STORAGE_DENIED", False, "mount the volume for writing"),
        (errno.EIO, "STORAGE", True, "look at the volume"),
        (None, "STORAGE", True, "look at the volume"),
    ],
)
def test_each_refusal_says_what_to_do(number: int | None, code: str, retryable: bool, hint: str) -> None:
    error = storage_error("write of '/lake/x'", number, path="/lake/x")
    assert (error.code, error.retryable, error.details) == (code, retryable, {"path": "/lake/x"})
    assert "'/lake/x'" in error.message
    assert error.hint is not None
    assert hint in error.hint
