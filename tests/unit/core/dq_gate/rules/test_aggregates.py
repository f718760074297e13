# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import statistics
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError

VALUES = [3, 1, 4, 1, 5, 9, None]
KNOWN = [value for value in VALUES if value is not None]


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("mean", statistics.mean(KNOWN)),
        ("sum", sum(KNOWN)),
        ("min", 1),
        ("max", 9),
        ("stdev", statistics.stdev(KNOWN)),
        ("median", 3.5),
    ],
)
def test_aggregates_leave_missing_values_out(one: Any, rule: str, value: float) -> None:
    outcome = one({rule: ["a", value - 1e-6, value + 1e-6]}, {"a": VALUES})
    assert outcome.passed
    assert outcome.observed == pytest.approx(value)
    assert not one({rule: ["a", value + 1, None]}, {"a": VALUES}).passed


@pytest.mark.parametrize("rule", ["mean", "sum", "min", "max", "stdev", "median"])
@pytest.mark.parametrize("values", [[], [None, None], [float("nan")]])
def test_without_a_value_an_aggregate_does_not_hold(one: Any, rule: str, values: list[Any]) -> None:
    outcome = one({rule: ["a", 0, None]}, {"a": _floats(values)})
    assert not outcome.passed
    assert outcome.observed is None


def test_sum_of_decimals_and_large_integers(one: Any) -> None:
    assert one({"sum": ["a", 3, 3]}, {"a": [Decimal("1.50"), Decimal("1.50")]}).observed == 3
    assert one({"sum": ["a", 0, None]}, {"a": [2**62, 2**62, 2**62]}).observed == 3 * 2**62


def test_row_condition_applies(one: Any) -> None:
    assert one(
        {"mean": {"column": "a", "min": 2, "max": 2, "row_condition": "b = 'x'"}}, {"a": [2, 9], "b": ["x", "y"]}
    ).passed


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([date(2024, 1, 2)], "2024-01-02", "2024-01-02"),
        ([datetime.fromisoformat("2024-01-02T05:00")], "2024-01-02", "2024-01-02T05:00:00"),
        ([datetime(2024, 1, 2, 5, tzinfo=UTC)], "2024-01-02T06:00:00+01:00", None),
        (["b"], "a", "b"),
    ],
)
def test_extremes_of_times_and_texts(one: Any, values: list[Any], low: str, high: str | None) -> None:
    assert one({"max": ["a", low, high]}, {"a": values}).passed
    assert one({"min": ["a", low, high]}, {"a": values}).passed
    assert not one({"max": {"column": "a", "max": low, "strict_max": True}}, {"a": values}).passed


def test_quantiles_are_values_of_the_column(one: Any) -> None:
    outcome = one(
        {"quantile": {"column": "a", "quantiles": [0, 0.5, 1], "ranges": [[1, 1], [None, 3], [9, None]]}}, {"a": VALUES}
    )
    assert outcome.passed
    assert outcome.observed == [1, 3, 9]
    assert one({"quantile": ["a", 0.5, 3, 3]}, {"a": VALUES}).passed
    assert not one({"quantile": ["a", 0.5, 4, None]}, {"a": VALUES}).passed
    assert not one({"quantile": ["a", 0.5, 4, None]}, {"a": _floats([None])}).passed


@pytest.mark.parametrize(
    "arguments", [["a", 2, 0, 1], ["a", 0.5, 3, 1], {"column": "a", "quantiles": [0.5], "ranges": []}]
)
def test_quantiles_that_cannot_be_meant(one: Any, arguments: Any) -> None:
    with pytest.raises(SpecError):
        one({"quantile": arguments}, {"a": [1]})


@pytest.mark.parametrize("rule", ["mean", "sum", "stdev", "median", "quantile"])
def test_a_text_has_no_mean(one: Any, rule: str) -> None:
    arguments = ["a", 0.5, 1, 2] if rule == "quantile" else ["a", 1, 2]
    with pytest.raises(SpecError) as caught:
        one({rule: arguments}, {"a": ["x"]})
    assert caught.value.code == "BAD_ARGUMENT_TYPE"


def test_a_rule_that_cannot_fail_is_refused(one: Any) -> None:
    with pytest.raises(SpecError, match="cannot fail"):
        one({"mean": "a"}, {"a": [1]})


def _floats(values: list[Any]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.float64())
