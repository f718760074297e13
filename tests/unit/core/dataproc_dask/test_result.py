# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dataproc_dask.result import (
    LARGEST_RESULT,
    Code,
    encode,
    failure,
    read_result,
    success,
)
from airflow_dataops.core.errors import DataOpsError, SpecError

LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize("value", [None, 1, "text", 2.5, {"rows": [1, 2]}, [], "é" * 100])
def test_what_a_function_returned_comes_back(value: Any) -> None:
    found = read_result(encode(success(value)))
    assert (found.ok, found.code, found.result) == (True, "", value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (date(2026, 11, 21), "result is a datetime.date"),
        ({"days": [1, {"at": {1}}]}, r"result\['days'\]\[1\]\['at'\] is a builtins.set"),
        ({"rate": float("nan")}, r"result\['rate'\] is a float \(nan"),
        ({(1, 2): 3}, r"key \(1, 2\) of result is a tuple"),
        (LOOP, "nested too deeply"),
        ("\ud800", "surrogates"),
    ],
)
def test_what_is_no_json_is_named_by_its_place(value: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        success(value)
    assert caught.value.code == Code.RESULT_NOT_JSON


def test_the_largest_result_is_taken_and_one_byte_more_is_not() -> None:
    fits = "x" * (LARGEST_RESULT - 2)
    assert read_result(encode(success(fits))).ok
    with pytest.raises(SpecError, match="65,537 bytes") as caught:
        success(fits + "x")
    assert caught.value.code == Code.RESULT_TOO_LARGE


def test_a_failure_is_one_line_of_bounded_length() -> None:
    found = failure(SpecError("first\nsecond" + "x" * 9000, code=Code.FUNCTION_RAISED, hint="look"))
    assert found.message.startswith("first second")
    assert len(found.message) <= 2000
    assert (found.ok, found.code, found.hint) == (False, "FUNCTION_RAISED", "look")


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        (Code.FUNCTION_MISSING, False),
        (Code.FUNCTION_RAISED, None),
        (Code.UNREADABLE, None),
        (Code.CODE_UNREADABLE, None),
    ],
)
def test_another_try_is_refused_only_where_it_is_sure_to_fail_again(code: Code, retryable: bool | None) -> None:
    assert failure(DataOpsError("no", code=code)).retryable is retryable


def test_a_newer_result_is_read_as_far_as_it_is_known() -> None:
    newer = json.dumps({"schema_version": 2, "ok": True, "result": 1, "colour": "blue"}).encode()
    assert read_result(newer).result == 1


@given(
    data=st.binary(max_size=40) | st.sampled_from([b"", b"null", b"[]", b'{"ok": "perhaps"}', b"\xff", b"1" * 300_000])
)
def test_garbage_is_a_failure_and_never_raises(data: bytes) -> None:
    found = read_result(data)
    assert (found.ok, found.code) == (False, Code.RESULT_INVALID)
