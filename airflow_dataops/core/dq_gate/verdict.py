# SPDX-License-Identifier: Apache-2.0
"""From counted values to outcomes, and from outcomes to the verdict. Pure: what was seen is an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_dataops.core.dq_gate.plan import Check, GatePlan
from airflow_dataops.core.dq_gate.rule import Context, RowRule, Rule, TableRule
from airflow_dataops.core.dq_gate.spec import OnFailure, RuleOutcome, Verdict


@dataclass(frozen=True)
class Repeats:
    """What the group-by of a key saw: keys that occur more than once, and their rows."""

    keys: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Counts:
    """What was counted for one row rule.

    Attributes:
        total: Rows that fulfil its row condition.
        evaluated: Those of them that it looked at.
        unexpected: Those of these that break it.
    """

    total: int
    evaluated: int
    unexpected: int


def outcomes(
    plan: GatePlan, seen: Mapping[str, Any], repeats: Mapping[str, Repeats], aside: Mapping[str, int] | None = None
) -> list[RuleOutcome]:
    """Return the outcome of every rule, in the author's order.

    Args:
        plan: The gate.
        seen: The one row of its fused select.
        repeats: Name of a key -> what its group-by saw.
        aside: Rule id -> rows that break it, of the rules that are counted where their rows are put aside.
    """

    def number(alias: str) -> int:
        # DuckDB counts no row as null, Spark as 0.
        return int(seen[alias] or 0)

    made = []
    for check in plan.checks:
        repeated = repeats[check.key.name] if check.key else Repeats()
        if isinstance(check.rule, TableRule):
            values = {name: seen[alias] for name, alias in check.values.items()}
            if check.key:
                values["distinct"] = number(check.key.present) - repeated.rows + repeated.keys
            made.append(table_outcome(check.rule, values, plan.context, number(plan.rows)))
        elif isinstance(check.rule, RowRule) and check.total and check.evaluated:
            unexpected = repeated.rows if check.key else _broken(check, number, aside or {})
            made.append(row_outcome(check.rule, Counts(number(check.total), number(check.evaluated), unexpected)))
    return made


def _broken(check: Check, number: Callable[[str], int], aside: Mapping[str, int]) -> int:
    return number(check.unexpected) if check.unexpected else aside[check.rule.id]


def row_outcome(rule: RowRule, counts: Counts) -> RuleOutcome:
    """Return the outcome of a row rule. Where nothing was looked at, it holds."""
    mostly = 1.0 if rule.mostly is None else rule.mostly
    evaluated, unexpected = counts.evaluated, counts.unexpected
    share = None if evaluated == 0 else (evaluated - unexpected) / evaluated
    passed = share is None or share >= mostly
    message = f"{rule.describe()}: "
    if not evaluated:
        message += "there is no row to look at"
    elif not unexpected:
        message += f"all {evaluated} rows"
    else:
        needed = "" if passed and mostly == 1 else f", {_percent(mostly)} needed"
        message += f"{unexpected} of {evaluated} rows break it ({_percent(share)} hold{needed})"
    return _outcome(
        rule,
        passed=passed,
        message=message,
        mostly=mostly,
        share=share,
        evaluated=evaluated,
        unexpected=unexpected,
        missing=counts.total - evaluated,
    )


def table_outcome(rule: TableRule, seen: Mapping[str, Any], context: Context, rows: int) -> RuleOutcome:
    """Return the outcome of a rule on the table as a whole.

    Args:
        rule: The rule.
        seen: Values of its aggregates, and ``distinct`` where it asked for it.
        context: Columns and run time.
        rows: Rows of the table.
    """
    finding = rule.judge(seen, context)
    message = f"{rule.describe()}: {finding.found}"
    return _outcome(
        rule, passed=finding.passed, message=message, row_rule=False, observed=finding.observed, evaluated=rows
    )


def decode_outcome(rows: int, rejected: int, on_failure: OnFailure) -> RuleOutcome:
    """Return the outcome that stands for lines of a text format that could not be decoded."""
    total = rows + rejected
    return RuleOutcome(
        id="decode",
        type="decode",
        severity="critical" if on_failure != "warn" else "warning",
        evaluated=total,
        unexpected=rejected,
        share=(total - rejected) / total,
        passed=False,
        message=f"every line can be decoded: {rejected} of {total} lines cannot",
    )


def _outcome(rule: Rule, **seen: Any) -> RuleOutcome:
    columns = list(dict.fromkeys([*rule.reads(), *(rule.about() if hasattr(rule, "column") else [])]))
    return RuleOutcome(
        id=rule.id,
        type=rule.kind,
        gx_type=rule.gx_type or (rule.gx[0] if rule.gx else None),
        kwargs=rule.arguments(),
        columns=columns,
        severity=rule.severity,
        **seen,
    )


@dataclass(frozen=True)
class Policy:
    """What the author wants of failures; fields as in :class:`~airflow_dataops.core.dq_gate.spec.GateSpec`."""

    on_failure: OnFailure
    max_quarantine_ratio: float


def puts_aside(outcome: RuleOutcome, policy: Policy) -> bool:
    """Return whether the rows that break a rule are kept in the quarantine.

    A gate that quarantines puts aside what breaks a critical row rule, whether or not ``mostly`` is reached. A gate that fails keeps the
    rows that made it fail, for the person who looks into it.
    """
    if not outcome.row_rule or outcome.severity != "critical" or outcome.unexpected == 0:
        return False
    return policy.on_failure == "quarantine" or (policy.on_failure == "fail" and not outcome.passed)


def decide(
    outcomes: Sequence[RuleOutcome], rules: Sequence[Rule], policy: Policy, *, rows: int, quarantined: int
) -> tuple[Verdict, list[str]]:
    """Return the verdict and why it is not ``passed``, the worst first.

    Args:
        outcomes: What every rule saw.
        rules: The rules, for whether ``mostly`` was the author's own word.
        policy: What the author wants of failures.
        rows: Rows of the table, those that could not be decoded included.
        quarantined: Rows that were put aside.
    """
    strict = {rule.id for rule in rules if isinstance(rule, RowRule) and rule.mostly is not None}
    failed, warned = [], []
    for outcome in outcomes:
        if outcome.passed or outcome.severity == "info":
            continue
        line = f"{outcome.id} ({outcome.severity}): {outcome.message}"
        if outcome.severity == "warning" or policy.on_failure == "warn":
            warned.append(line)
        elif policy.on_failure == "fail" or not outcome.row_rule or outcome.id in strict:
            failed.append(line)
    aside = []
    if quarantined and policy.on_failure == "quarantine":
        share = quarantined / rows
        text = f"{quarantined} of {rows} rows ({_percent(share)}) break critical rules and are put aside"
        if share > policy.max_quarantine_ratio:
            failed.insert(0, f"{text}; at most {_percent(policy.max_quarantine_ratio)} may be (max_quarantine_ratio)")
        else:
            aside.append(text)
    verdict: Verdict = "passed"
    if failed:
        verdict = "failed"
    elif aside:
        verdict = "quarantined"
    elif warned:
        verdict = "warned"
    return verdict, [*failed, *aside, *warned]


def _percent(share: float | None) -> str:
    """Return a share in percent; what is not all never reads as 100 %, and what is not nothing never as 0 %."""
    value = 100 * (share or 0.0)
    for digits in (2, 4, 6):
        text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
        if not (text == "100" and value < 100) and not (text == "0" and value > 0):
            return f"{text} %"
    return "under 100 %" if value > 50 else "over 0 %"
