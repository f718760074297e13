# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError


def test_rows_where_it_is_null_are_missing(one: Any) -> None:
    outcome = one({"condition": "a > b or a = 9"}, {"a": [2, 1, None, 9], "b": [1, 2, 1, None]})
    assert (outcome.evaluated, outcome.missing, outcome.unexpected) == (3, 1, 1)


def test_nan_reads_as_null(one: Any) -> None:
    assert one({"condition": "a < 5"}, {"a": [1.0, float("nan")]}).unexpected == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a >", "BAD_EXPRESSION"),
        ("nothing > 1", "UNKNOWN_COLUMN"),
        ("(select 1) = 1", "BAD_EXPRESSION"),
        ("a + 1", "BAD_EXPRESSION"),
    ],
)
def test_what_cannot_be_compiled(one: Any, text: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        one({"condition": text}, {"a": [1]})
    assert caught.value.code == code
