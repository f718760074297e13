# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dq_gate.parse import parse_rules
from airflow_dataops.core.dq_gate.rule import Context, Rule, TableRule
from airflow_dataops.core.dq_gate.spec import RuleOutcome
from airflow_dataops.core.dq_gate.verdict import (
    Counts,
    Policy,
    decide,
    decode_outcome,
    puts_aside,
    row_outcome,
    table_outcome,
)


def ruled(written: Any) -> Rule:
    rules, problems = parse_rules(None, [written])
    assert problems == []
    return rules[0]


def judged(on_failure: Any, *cases: tuple[Any, int], rows: int = 100, ratio: float = 1.0) -> tuple[str, list[str]]:
    """Decide over rules, each with the number of rows that break it (or, for a table rule, the rows it sees)."""
    rules = [ruled({**written, "id": f"r{number}"}) for number, (written, _) in enumerate(cases)]
    found: list[RuleOutcome] = []
    for rule, (_, bad) in zip(rules, cases, strict=True):
        if isinstance(rule, TableRule):
            found.append(table_outcome(rule, {"rows": bad}, Context({}), bad))
        else:
            found.append(row_outcome(rule, Counts(rows, rows, bad)))  # type: ignore[arg-type]
    policy = Policy(on_failure, ratio)
    aside = max((outcome.unexpected for outcome in found if puts_aside(outcome, policy)), default=0)
    return decide(found, rules, policy, rows=rows, quarantined=aside)


BAD = {"not_null": "a"}
WARNING = {"not_null": "a", "severity": "warning"}
INFO = {"not_null": "a", "severity": "info"}
MOSTLY = {"not_null": "a", "mostly": 0.9}
TABLE = {"row_count": {"min": 1}}


@pytest.mark.parametrize(
    ("on_failure", "case", "verdict"),
    [
        ("fail", (BAD, 0), "passed"),
        ("fail", (BAD, 1), "failed"),
        ("fail", (WARNING, 1), "warned"),
        ("fail", (INFO, 1), "passed"),
        ("fail", (MOSTLY, 10), "passed"),
        ("fail", (MOSTLY, 11), "failed"),
        ("fail", (TABLE, 0), "failed"),
        ("warn", (BAD, 100), "warned"),
        ("warn", (TABLE, 0), "warned"),
        ("warn", (INFO, 1), "passed"),
        ("quarantine", (BAD, 0), "passed"),
        ("quarantine", (BAD, 100), "quarantined"),
        ("quarantine", (WARNING, 1), "warned"),
        ("quarantine", (INFO, 1), "passed"),
        ("quarantine", (MOSTLY, 10), "quarantined"),
        ("quarantine", (MOSTLY, 11), "failed"),
        ("quarantine", (TABLE, 0), "failed"),
        ("quarantine", ({**TABLE, "severity": "warning"}, 0), "warned"),
    ],
)
def test_policy(on_failure: str, case: tuple[Any, int], verdict: str) -> None:
    found, reasons = judged(on_failure, case)
    assert found == verdict
    assert bool(reasons) == (verdict != "passed")


@pytest.mark.parametrize(("bad", "verdict"), [(5, "quarantined"), (6, "failed"), (100, "failed")])
def test_max_quarantine_ratio_is_a_circuit_breaker(bad: int, verdict: str) -> None:
    found, reasons = judged("quarantine", (BAD, bad), ratio=0.05)
    assert found == verdict
    assert ("max_quarantine_ratio" in reasons[0]) == (verdict == "failed")


def test_a_ratio_of_zero_lets_nothing_be_put_aside() -> None:
    assert judged("quarantine", (BAD, 1), ratio=0.0)[0] == "failed"


def test_the_worst_reason_comes_first() -> None:
    _, reasons = judged("quarantine", (WARNING, 3), (BAD, 2), (TABLE, 0))
    assert [reason.split(" ")[0] for reason in reasons] == ["r2", "2", "r0"]


def test_no_rows() -> None:
    assert judged("quarantine", (BAD, 0), rows=0)[0] == "passed"


@pytest.mark.parametrize("written", [WARNING, INFO, TABLE])
def test_only_critical_row_rules_put_rows_aside(written: Any) -> None:
    rule = ruled(written)
    outcome = (
        table_outcome(rule, {"rows": 0}, Context({}), 0)
        if isinstance(rule, TableRule)
        else row_outcome(rule, Counts(9, 9, 3))  # type: ignore[arg-type]
    )
    assert not puts_aside(outcome, Policy("quarantine", 1.0))


def test_a_gate_that_fails_keeps_what_made_it_fail() -> None:
    failed, tolerated = row_outcome(ruled(BAD), Counts(9, 9, 3)), row_outcome(ruled(MOSTLY), Counts(99, 99, 3))  # type: ignore[arg-type]
    assert puts_aside(failed, Policy("fail", 1.0))
    assert not puts_aside(tolerated, Policy("fail", 1.0))
    assert not puts_aside(failed, Policy("warn", 1.0))


def test_lines_that_do_not_decode_are_like_bad_rows() -> None:
    outcome = decode_outcome(90, 10, "quarantine")
    assert (outcome.evaluated, outcome.unexpected, outcome.share) == (100, 10, 0.9)
    assert puts_aside(outcome, Policy("quarantine", 1.0))
    assert decide([outcome], [], Policy("fail", 1.0), rows=100, quarantined=0)[0] == "failed"
    assert decide([decode_outcome(90, 10, "warn")], [], Policy("warn", 1.0), rows=100, quarantined=0)[0] == "warned"


@given(total=st.integers(1, 10**9), data=st.data())
def test_a_share_never_reads_as_all_or_nothing_unless_it_is(total: int, data: st.DataObject) -> None:
    bad = data.draw(st.integers(0, total))
    outcome = row_outcome(ruled(BAD), Counts(total, total, bad))  # type: ignore[arg-type]
    assert outcome.passed == (bad == 0)
    assert ("(100 % hold" in outcome.message) is False
    assert ("(0 % hold" in outcome.message) == (bad == total)


def test_a_message_says_what_was_expected_and_found() -> None:
    outcome = row_outcome(ruled(MOSTLY), Counts(100, 80, 20))  # type: ignore[arg-type]
    assert outcome.message == "a is not null: 20 of 80 rows break it (75 % hold, 90 % needed)"
    assert outcome.missing == 20
