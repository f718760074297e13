# SPDX-License-Identifier: Apache-2.0
"""The same suite in Great Expectations on pandas and in the gate: same verdicts, same counts."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from airflow_dataops.jobs.dq_gate import run_gate

gx = pytest.importorskip("great_expectations", reason="needs Great Expectations: pip install 'airflow-dataops[gx]'")
pytestmark = pytest.mark.integration

FRAME = pd.DataFrame(
    {
        "id": [1, 2, 2, 4, 5, 6, 7, 8],
        "amount": [1.0, -2.0, None, float("nan"), 5.5, 6.0, 7.0, 100.0],
        "cost": [0.5, -3.0, 1.0, None, 6.0, 6.0, 1.0, 1.0],
        "name": ["ab", "é", None, "", "日本語", "ab", "x1", "ab"],
        "kind": ["a", "a", "a", "b", "b", "b", None, "a"],
        "none": pd.Series([None] * 8, dtype="object"),
    }
)
EXPECTATIONS: list[tuple[str, dict[str, Any]]] = [
    ("ExpectColumnValuesToNotBeNull", {"column": "amount"}),
    ("ExpectColumnValuesToNotBeNull", {"column": "amount", "mostly": 0.75}),
    ("ExpectColumnValuesToNotBeNull", {"column": "amount", "mostly": 0.76}),
    ("ExpectColumnValuesToBeNull", {"column": "name"}),
    ("ExpectColumnValuesToBeBetween", {"column": "amount", "min_value": 0, "max_value": 7, "strict_max": True}),
    ("ExpectColumnValuesToBeBetween", {"column": "id", "min_value": 2}),
    ("ExpectColumnValuesToBeInSet", {"column": "name", "value_set": ["ab", "é"]}),
    ("ExpectColumnValuesToNotBeInSet", {"column": "kind", "value_set": ["b"]}),
    ("ExpectColumnValuesToMatchRegex", {"column": "name", "regex": "[a-z]"}),
    ("ExpectColumnValuesToNotMatchRegex", {"column": "name", "regex": "^a"}),
    ("ExpectColumnValueLengthsToBeBetween", {"column": "name", "min_value": 1, "max_value": 2}),
    ("ExpectColumnValueLengthsToEqual", {"column": "name", "value": 2}),
    ("ExpectColumnValuesToBeUnique", {"column": "name"}),
    ("ExpectColumnValuesToBeUnique", {"column": "id"}),
    ("ExpectColumnValuesToBeUnique", {"column": "none"}),
    ("ExpectCompoundColumnsToBeUnique", {"column_list": ["id", "kind"]}),
    ("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": "amount", "column_B": "cost"}),
    (
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": "amount", "column_B": "cost", "or_equal": True, "ignore_row_if": "either_value_is_missing"},
    ),
    ("ExpectTableRowCountToBeBetween", {"min_value": 1, "max_value": 8}),
    ("ExpectTableRowCountToEqual", {"value": 7}),
    ("ExpectColumnToExist", {"column": "none"}),
    ("ExpectTableColumnsToMatchSet", {"column_set": ["id", "kind"], "exact_match": False}),
    ("ExpectColumnMeanToBeBetween", {"column": "amount", "min_value": 19, "max_value": 20}),
    ("ExpectColumnMedianToBeBetween", {"column": "amount", "min_value": 5.75, "max_value": 5.75}),
    ("ExpectColumnStdevToBeBetween", {"column": "id", "min_value": 2.5, "max_value": 2.6}),
    ("ExpectColumnSumToBeBetween", {"column": "id", "min_value": 35, "max_value": 35}),
    ("ExpectColumnMinToBeBetween", {"column": "amount", "min_value": -2}),
    ("ExpectColumnMaxToBeBetween", {"column": "amount", "max_value": 99}),
    ("ExpectColumnUniqueValueCountToBeBetween", {"column": "kind", "min_value": 2, "max_value": 2}),
    (
        "ExpectColumnValuesToBeInSet",
        {
            "column": "name",
            "value_set": ["ab"],
            "row_condition": "kind == 'a' and id > 1",
            "condition_parser": "pandas",
        },
    ),
    (
        "ExpectColumnMeanToBeBetween",
        {"column": "id", "min_value": 3, "max_value": 4, "row_condition": 'kind == "a"', "condition_parser": "pandas"},
    ),
]
COUNTS = ("element_count", "unexpected_count", "missing_count", "unexpected_percent", "observed_value")


@pytest.fixture(scope="module")
def both() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Run the suite in Great Expectations, and the suite that it writes as JSON in the gate."""
    context = gx.get_context(mode="ephemeral")
    suite = gx.ExpectationSuite(name="parity")
    for number, (name, kwargs) in enumerate(EXPECTATIONS):
        suite.add_expectation(getattr(gx.expectations, name)(**kwargs, meta={"number": number}))
    batch = (
        context.data_sources.add_pandas("pandas")
        .add_dataframe_asset("frame")
        .add_batch_definition_whole_dataframe("all")
    )
    theirs = batch.get_batch({"dataframe": FRAME}).validate(suite).to_json_dict()["results"]
    theirs.sort(key=lambda result: result["expectation_config"]["meta"]["number"])  # it groups them by column
    return theirs, run_gate(suite.to_json_dict(), FRAME).to_gx_dict()["results"]


@pytest.mark.parametrize(
    "index", range(len(EXPECTATIONS)), ids=[f"{number}-{name}" for number, (name, _) in enumerate(EXPECTATIONS)]
)
def test_great_expectations_agrees(both: Any, index: int) -> None:
    theirs, ours = both[0][index], both[1][index]
    assert ours["expectation_config"]["type"] == theirs["expectation_config"]["type"]
    assert theirs["exception_info"].get("raised_exception", False) is False
    assert ours["success"] == theirs["success"]
    for name in COUNTS:
        if theirs["result"].get(name) is not None and not isinstance(theirs["result"][name], list | str):
            assert ours["result"].get(name) == pytest.approx(theirs["result"][name]), name
