# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError


@pytest.mark.parametrize(
    ("values", "allowed", "broken"),
    [
        (["a", "b", None, "é"], ["a", "é"], 1),
        ([1, 2, None, 2**62], [1, 2**62], 1),
        ([1.5, 2.0, float("nan")], [2], 1),
        ([True, False, None], [True], 1),
        ([date(2024, 1, 1), date(2024, 1, 2)], ["2024-01-02"], 1),
        (
            [datetime.fromisoformat("2024-01-01T05:00"), datetime.fromisoformat("2024-01-01")],
            ["2024-01-01T05:00:00"],
            1,
        ),
        ([Decimal("1.10"), Decimal("2.00")], [1.1], 1),
        (["it's", "'"], ["it's"], 1),
    ],
)
def test_in_set_looks_at_values_only(one: Any, values: list[Any], allowed: list[Any], broken: int) -> None:
    outcome = one({"in_set": ["a", allowed]}, {"a": values})
    missing = sum(1 for value in values if value is None or value != value)
    assert (outcome.unexpected, outcome.missing, outcome.evaluated) == (broken, missing, len(values) - missing)


def test_not_in_set(one: Any) -> None:
    outcome = one({"not_in_set": ["a", ["x"]]}, {"a": ["x", None, "y"]})
    assert (outcome.unexpected, outcome.evaluated) == (1, 2)


@pytest.mark.parametrize(
    ("values", "wrong"), [(["a"], 1), ([1], "a"), ([True], 1), ([datetime.fromisoformat("2024-01-01")], "soon")]
)
def test_a_value_of_another_type_is_refused_before_anything_runs(one: Any, values: list[Any], wrong: Any) -> None:
    with pytest.raises(SpecError) as caught:
        one({"in_set": ["a", [wrong]]}, {"a": values})
    assert caught.value.code == "BAD_ARGUMENT_TYPE"
    assert repr(wrong) in caught.value.message
