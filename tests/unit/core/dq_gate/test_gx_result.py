# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_dataops.core.dq_gate.spec import GateResult, RuleOutcome
from airflow_dataops.core.run import RunContext

RUN = RunContext(pipeline="flights", key="k")


def result(*outcomes: RuleOutcome) -> GateResult:
    return GateResult(task="gate", run=RUN, verdict="passed", rules=list(outcomes))


def test_a_row_rule_in_the_shape_of_great_expectations() -> None:
    outcome = RuleOutcome(
        id="between(a)",
        type="between",
        gx_type="expect_column_values_to_be_between",
        kwargs={"column": "a", "min": 1},
        columns=["a"],
        evaluated=8,
        missing=2,
        unexpected=2,
        share=0.75,
        passed=False,
        examples=[{"a": 0, "b": 1}],
    )
    found = result(outcome).to_gx_dict()
    assert found["success"] is False
    assert found["statistics"]["success_percent"] == 0
    one = found["results"][0]
    assert one["expectation_config"]["kwargs"] == {"column": "a", "min_value": 1}
    assert one["result"] == {
        "element_count": 10,
        "unexpected_count": 2,
        "unexpected_percent": 25.0,
        "partial_unexpected_list": [0],
        "missing_count": 2,
        "missing_percent": 20.0,
        "unexpected_percent_total": 20.0,
        "unexpected_percent_nonmissing": 25.0,
    }


def test_a_table_rule_has_an_observed_value() -> None:
    outcome = RuleOutcome(
        id="row_count",
        type="row_count",
        gx_type="expect_table_row_count_to_equal",
        kwargs={"min": 3, "max": 3},
        row_rule=False,
        observed=3,
        passed=True,
    )
    found = result(outcome).to_gx_dict()
    assert found["success"] is True
    assert found["results"][0]["expectation_config"]["kwargs"] == {"value": 3}
    assert found["results"][0]["result"] == {"observed_value": 3}


def test_a_rule_without_a_name_there_keeps_its_own() -> None:
    outcome = RuleOutcome(
        id="freshness(t)", type="freshness", kwargs={"column": "t", "max_age": "2h"}, row_rule=False, passed=True
    )
    assert result(outcome).to_gx_dict()["results"][0]["expectation_config"]["type"] == "dataops:freshness"


def test_all_null_columns_have_no_percentage() -> None:
    outcome = RuleOutcome(
        id="x", type="unique", kwargs={"column": "a"}, columns=["a"], evaluated=0, missing=4, passed=True
    )
    assert result(outcome).to_gx_dict()["results"][0]["result"]["unexpected_percent"] is None
