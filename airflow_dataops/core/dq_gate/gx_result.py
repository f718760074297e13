# SPDX-License-Identifier: Apache-2.0
"""A gate's result in the shape of Great Expectations' validation result, for tools that read those."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.dq_gate.registry import REGISTRY
from airflow_dataops.core.dq_gate.spec import GateResult, RuleOutcome


def to_gx(result: GateResult) -> dict[str, Any]:
    """Return a validation result as Great Expectations 1.x writes it as JSON.

    A rule that it has no name for keeps its own, with ``dataops:`` before it. ``success`` is each rule's own, whatever its severity.
    """
    results = [_result(outcome) for outcome in result.rules]
    good = sum(1 for outcome in result.rules if outcome.passed)
    total = len(results)
    return {
        "success": good == total,
        "results": results,
        "suite_name": result.run.pipeline,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": total,
            "successful_expectations": good,
            "unsuccessful_expectations": total - good,
            "success_percent": 100 * good / total if total else None,
        },
        "meta": {
            "run_id": {
                "run_name": result.run.key,
                "run_time": result.started_at.isoformat() if result.started_at else None,
            },
            "dataops": {"verdict": result.verdict, "reasons": result.reasons, "task": result.task},
        },
        "id": None,
    }


def _result(outcome: RuleOutcome) -> dict[str, Any]:
    rule = REGISTRY.get(outcome.type)
    kwargs = dict(outcome.kwargs)
    if rule is not None and outcome.gx_type:
        kwargs = rule.to_gx(outcome.gx_type, kwargs)
    if kwargs.get("condition_parser") == "sql":
        kwargs["condition_parser"] = "spark"
    return {
        "success": outcome.passed,
        "expectation_config": {
            "type": outcome.gx_type or f"dataops:{outcome.type}",
            "kwargs": kwargs,
            "meta": {"dataops_id": outcome.id},
            "severity": outcome.severity,
        },
        "result": _counts(outcome) if outcome.row_rule else {"observed_value": outcome.observed},
        "meta": {},
        "exception_info": {"raised_exception": False, "exception_traceback": None, "exception_message": None},
    }


def _counts(outcome: RuleOutcome) -> dict[str, Any]:
    total = outcome.evaluated + outcome.missing
    counts: dict[str, Any] = {
        "element_count": total,
        "unexpected_count": outcome.unexpected,
        "unexpected_percent": _percent(outcome.unexpected, outcome.evaluated),
        "partial_unexpected_list": [_shown(outcome, row) for row in outcome.examples],
    }
    if outcome.type not in ("not_null", "is_null"):
        counts |= {
            "missing_count": outcome.missing,
            "missing_percent": _percent(outcome.missing, total),
            "unexpected_percent_total": _percent(outcome.unexpected, total),
            "unexpected_percent_nonmissing": _percent(outcome.unexpected, outcome.evaluated),
        }
    return counts


def _shown(outcome: RuleOutcome, row: dict[str, Any]) -> Any:
    values = {name: row[name] for name in outcome.columns if name in row}
    return next(iter(values.values())) if len(outcome.columns) == 1 and values else values or row


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
