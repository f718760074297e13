# SPDX-License-Identifier: Apache-2.0
"""What the page shows of a run, as plain texts and numbers: bounded, shortened, in order of weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_dataops.core.dq_gate.spec import GateResult, RuleOutcome
from airflow_dataops.core.refine.history import Point, point_of
from airflow_dataops.core.refine.spec import PublishResult, RefineResult, RunResult
from airflow_dataops.core.refine.summary import StepResult, read_step
from airflow_dataops.core.tables import ColumnProfile
from airflow_dataops.report import text

MOST_RULES, MOST_COLUMNS, MOST_REASONS = 200, 300, 12
MOST_EXAMPLES, MOST_EXAMPLE_ROWS, MOST_EXAMPLE_COLUMNS = 40, 10, 40
_WEIGHT = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Rule:
    """One rule as a row of its table; the share is also a bar."""

    outcome: RuleOutcome
    state: str
    observed: str
    expected: str


@dataclass(frozen=True)
class Gate:
    """One gate's rules, the failed ones first."""

    task: str
    result: GateResult
    rules: list[Rule]
    passed: int
    hidden: int


@dataclass(frozen=True)
class Examples:
    """Bad rows of one rule, the rule's own columns first."""

    gate: str
    rule: RuleOutcome
    columns: list[str]
    rows: list[list[Any]]
    hidden: int


@dataclass(frozen=True)
class Column:
    """Nulls of one column at both ends of the run."""

    name: str
    before: ColumnProfile | None
    after: ColumnProfile | None

    @property
    def nulls(self) -> float:
        """The larger share of nulls, for the order where not all columns can be shown."""
        return max((share_of_nulls(side) or 0.0 for side in (self.before, self.after)), default=0.0)


@dataclass(frozen=True)
class Columns:
    """The columns of the run and how many are left out."""

    with_nulls: list[Column]
    without: list[Column]
    hidden: int
    before: bool
    after: bool
    notes: list[str]


def share_of_nulls(side: ColumnProfile | None) -> float | None:
    """Return the share of nulls; None where there were no rows."""
    return side.nulls / side.rows if side is not None and side.rows else None


def steps_of(run: RunResult) -> dict[str, StepResult]:
    """Return the run's steps as their models, by task id."""
    return {str(document.get("task")): read_step(document) for document in run.steps}


def gates_of(steps: dict[str, StepResult]) -> list[Gate]:
    """Return the gates with their rules: failed ones first, the graver before the lighter, else the author's order."""
    return [_gate(task, step) for task, step in steps.items() if isinstance(step, GateResult)]


def examples_of(gates: Sequence[Gate]) -> list[Examples]:
    """Return the bad rows of every rule that kept some, in the order of the tables."""
    return [
        _examples(gate.task, rule.outcome)
        for gate in gates
        for rule in gate.rules
        if rule.outcome.examples and rule.outcome.unexpected
    ]


def columns_of(steps: dict[str, StepResult]) -> Columns:
    """Return the nulls of each column, of the first gate's table and of the table that was staged."""
    order = [task for task, step in steps.items() if isinstance(step, RefineResult)]
    border = list(steps).index(order[0]) if order else len(steps)
    gates = [
        (place, step) for place, step in enumerate(steps.values()) if isinstance(step, GateResult) and step.columns
    ]
    before = next((step.columns for place, step in gates if place < border), [])
    refined = steps[order[0]] if order else None
    notes = _notes(refined) if isinstance(refined, RefineResult) else []
    after = refined.columns if isinstance(refined, RefineResult) else []
    after = after or next((step.columns for place, step in gates if place > border), [])
    left, right = {c.name: c for c in before}, {c.name: c for c in after}
    columns = [Column(name, left.get(name), right.get(name)) for name in dict.fromkeys((*left, *right))]
    kept = sorted(columns, key=lambda c: -c.nulls)[:MOST_COLUMNS] if len(columns) > MOST_COLUMNS else columns
    with_nulls = [column for column in kept if column.nulls]
    without = [column for column in kept if not column.nulls]
    return Columns(with_nulls, without, len(columns) - len(kept), bool(before), bool(after), notes)


def points_of(run: RunResult, history: Sequence[Point]) -> list[Point]:
    """Return the earlier runs and this one, oldest first."""
    own = point_of(run)
    earlier = [point for point in history if point.key != run.run.key]
    return [*sorted(earlier, key=lambda p: p.moment), *([own] if own else [])]


def hints_of(steps: dict[str, StepResult]) -> list[str]:
    """Return what the errors of the steps say to do next."""
    return [str(step.error["hint"]) for step in steps.values() if step.error and step.error.get("hint")]


def is_drain(steps: dict[str, StepResult]) -> bool:
    """Tell whether the run is one of a metadata pipeline: it stores events, and publishes no table."""
    return any(step.job.startswith("metadata_") for step in steps.values())


def headline(run: RunResult, steps: dict[str, StepResult]) -> str:
    """Return the outcome in one sentence."""
    written, aside = text.count(run.rows.written), text.count(run.rows.quarantined)
    if is_drain(steps):
        dead = f"; {aside} are dead letters" if run.rows.quarantined else ""
        return f"{written} events are stored{dead}." if run.rows.read else "No events were waiting."
    if run.verdict == "failed":
        kept = "What an earlier try published is still there." if run.published else "The published table is as it was."
        return (
            f"Nothing was published by this run. {kept}"
            if not run.rows.written
            else f"{written} rows were published before it failed."
        )
    if run.verdict == "quarantined":
        return f"{written} rows were published; {aside} bad rows were put aside with the reason for each."
    if run.verdict == "warned":
        return f"{written} rows were published, although a rule of lower severity does not hold."
    return f"{written} rows were published; every rule holds."


def facts_of(run: RunResult, steps: dict[str, StepResult]) -> list[tuple[str, str]]:
    """Return names and values of the run: where everything is, and with what it was made."""
    facts: list[tuple[str, str | None]] = [
        ("Run key", run.run.key),
        ("Time zone", run.run.timezone),
        ("Table", run.table),
    ]
    published = [step for step in steps.values() if isinstance(step, PublishResult) and step.status == "ok"]
    if not published:  # a publish moves what the gates have put aside
        facts += [
            (f"Bad rows of {task}", step.quarantine_uri) for task, step in steps.items() if isinstance(step, GateResult)
        ]
    for step in published:
        facts.append(("Bad rows", step.quarantine_uri))
        facts.append(("Files", f"{text.count(step.files_added)} added, {text.count(step.files_removed)} removed"))
        facts.append(("Table version", None if step.version is None else text.count(step.version)))
        facts.append(("Published by", "an earlier try of this run" if step.already_done else None))
    facts += [("This page", run.page), ("Read", text.size(run.bytes_read)), ("Written", text.size(run.bytes_written))]
    facts += [(package, version) for package, version in sorted(run.versions.items())]
    return [(name, shown) for name, shown in facts if shown]


def _gate(task: str, result: GateResult) -> Gate:
    rules = sorted(result.rules, key=lambda rule: (rule.passed, 0 if rule.passed else _WEIGHT[rule.severity]))
    shown = [
        Rule(rule, _state(rule), "" if rule.observed is None else text.figure(rule.observed, 90), _expected(rule))
        for rule in rules[:MOST_RULES]
    ]
    return Gate(task, result, shown, sum(rule.passed for rule in rules), len(rules) - len(shown))


def _state(rule: RuleOutcome) -> str:
    if rule.passed:
        return "passed"
    return {"critical": "failed", "warning": "warned", "info": "noted"}[rule.severity]


def _expected(rule: RuleOutcome) -> str:
    """Return the message without the counts of a row rule, which have columns of their own."""
    expected, colon, found = rule.message.rpartition(": ")
    return expected if rule.row_rule and colon and " rows break it" in found else rule.message


def _examples(gate: str, rule: RuleOutcome) -> Examples:
    names = list(dict.fromkeys((*rule.columns, *(name for row in rule.examples for name in row))))
    names = [name for name in names if any(name in row for row in rule.examples)]
    shown = names[:MOST_EXAMPLE_COLUMNS]
    rows = [[row.get(name) for name in shown] for row in rule.examples[:MOST_EXAMPLE_ROWS]]
    return Examples(gate, rule, shown, rows, len(names) - len(shown))


def _notes(refined: RefineResult) -> list[str]:
    nulls = [
        f"{text.count(n)} values of {column} did not cast and became null"
        for column, n in refined.casts_to_null.items()
        if n
    ]
    return [*refined.drift, *nulls][:50]
