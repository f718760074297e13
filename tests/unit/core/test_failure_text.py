# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from airflow_dataops.core.dq_gate.spec import GateResult, RuleOutcome
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.failure_text import gate_failure, job_failure
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import RowCounts


def rule(number: int, **fields: Any) -> RuleOutcome:
    values: dict[str, Any] = {
        "id": f"not_null(c{number})",
        "type": "not_null",
        "columns": [f"c{number}"],
        "evaluated": 1000,
        "unexpected": 7,
        "passed": False,
        "examples": [{f"c{number}": None, "other": "x"}] * 9,
    }
    return RuleOutcome(**{**values, **fields})


def result(*rules: RuleOutcome, reasons: list[str] | None = None) -> GateResult:
    run = RunContext(pipeline="p", key="k")
    return GateResult(
        task="gate", run=run, verdict="failed", rules=list(rules), reasons=reasons or [], rows=RowCounts(read=336776)
    )


def test_it_says_rules_rows_five_values_and_the_page() -> None:
    text = gate_failure(result(rule(1), reasons=["not_null(c1) (critical): 7 are null"]), "https://page")
    assert "1 critical rule(s) failed, on 336,776 rows" in text
    assert "not_null(c1) (critical): 7 are null" in text
    assert "7 of 1,000 rows break not_null(c1)" in text
    assert text.count("c1=NULL") == 5
    assert "https://page" in text


def test_only_critical_rules_that_failed_show_examples() -> None:
    text = gate_failure(result(rule(1, severity="warning"), rule(2, passed=True), rule(3)))
    assert "c3=NULL" in text
    assert "c1" not in text
    assert "c2" not in text


def test_many_rules_and_long_values_stay_readable() -> None:
    text = gate_failure(result(*(rule(n, examples=[{"x": "y" * 5000}]) for n in range(300)), reasons=["r"] * 300))
    assert len(text) < 6000
    assert "and 290 more" in text


def test_a_rule_on_the_table_has_no_rows_to_show() -> None:
    text = gate_failure(result(rule(1, row_rule=False, columns=[], examples=[]), reasons=["row_count: 0 rows"]))
    assert "row_count: 0 rows" in text
    assert "for example" not in text


def test_the_error_of_a_job_keeps_its_hint_and_gets_the_page() -> None:
    text = job_failure(InputError("no files", hint="look there"), "https://page")
    assert text.splitlines() == ["INPUT_INVALID: no files", "  -> look there", "  Result page: https://page"]
