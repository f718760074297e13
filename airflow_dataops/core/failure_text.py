# SPDX-License-Identifier: Apache-2.0
"""What a failed task says: which rules failed, how many rows, a few values, and where the page is."""

from __future__ import annotations

from airflow_dataops.core.dq_gate.spec import GateResult, RuleOutcome
from airflow_dataops.core.errors import DataOpsError

_RULES, _EXAMPLES, _LONGEST_VALUE = 10, 5, 60


def gate_failure(result: GateResult, page: str | None = None, consequence: str = "Nothing was published.") -> str:
    """Return the text for a gate whose verdict is ``failed``.

    Args:
        result: What the gate found; its examples are masked already.
        page: Link to the result page.
        consequence: What became of the data, as a sentence.
    """
    broken = [rule for rule in result.rules if not rule.passed and rule.severity == "critical"]
    lines = [f"The data did not pass: {len(broken)} critical rule(s) failed, on {result.rows.read:,} rows."]
    lines += [f"  - {reason}" for reason in result.reasons[:_RULES]]
    if len(result.reasons) > _RULES:
        lines.append(f"  … and {len(result.reasons) - _RULES} more")
    lines += [_rule(rule) for rule in broken[:_RULES] if rule.examples]
    lines.append(f"{consequence} Result page: {page}" if page else consequence)
    return "\n".join(lines)


def job_failure(error: DataOpsError, page: str | None = None) -> str:
    """Return the text for a job that ended in an error."""
    return f"{error}\n  Result page: {page}" if page else str(error)


def _rule(rule: RuleOutcome) -> str:
    shown = "; ".join(_values(row, rule.columns) for row in rule.examples[:_EXAMPLES])
    return f"  {rule.unexpected:,} of {rule.evaluated:,} rows break {rule.id}, for example: {shown}"


def _values(row: dict[str, object], columns: list[str]) -> str:
    """The values that the rule looked at, else the first few of the row."""
    names = [name for name in columns if name in row] or list(row)[:3]
    return ", ".join(f"{name}={_short(row[name])}" for name in names)


def _short(value: object) -> str:
    text = "NULL" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


__all__ = ["gate_failure", "job_failure"]
