# SPDX-License-Identifier: Apache-2.0
"""The rules of the gates: known, complete, compiled, and on columns that are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dag_factories.check.context import Context
from dag_factories.check.suites import gates, read_suite
from dag_factories.positions import parse_tree
from dag_factories.specs.base import Path, Problem


def rule_problems(context: Context, name: str, columns: Mapping[str, str | None] | None) -> Iterator[Problem]:
    """Yield what is wrong with the rules of one gate.

    Args:
        context: The pipeline.
        name: ``bronze`` or ``silver``.
        columns: Column -> canonical type (None where it is not known) of the table that the gate sees; None where no column is known.
    """
    for place, gate in gates(context):
        if place[-1] != name:
            continue
        suite = read_suite(context, gate.suite, (*place, "suite"))[0] if gate.suite else None
        yield from _of_gate(context, place, gate, suite, columns)


def _of_gate(
    context: Context, place: Path, gate: Any, suite: dict[str, Any] | None, columns: Mapping[str, str | None] | None
) -> Iterator[Problem]:
    from airflow_dataops.core.dq_gate.parse import check_columns, parse_all

    parsed = parse_all(suite, gate.rules)
    found = [(p.path, p.code, p.message, p.suggestion) for p in parsed.problems]
    if columns is not None:
        typed = {column: kind for column, kind in columns.items() if kind is not None}
        if len(typed) == len(columns):
            faults = check_columns(parsed.rules, typed, parsed.paths)
            found += [(p.path, p.code, p.message, p.suggestion) for p in faults]
        else:
            found += _unknown_columns(parsed, columns)
    seen = set()
    for path, code, message, hint in found:
        if (path, code) not in seen:  # an expression is read twice: without columns, then with them
            seen.add((path, code))
            yield _located(context, place, gate, (path, code, message, hint))


def _unknown_columns(parsed: Any, columns: Mapping[str, Any]) -> Iterator[tuple[Path, str, str, str | None]]:
    """Yield rules on columns that are not there, where types are known only in part."""
    from airflow_dataops.core.errors import did_you_mean

    for rule in parsed.rules:
        for name in rule.reads():
            if name not in columns:
                message = f"rule {rule.id!r}: the table has no column {name!r}; it has: {', '.join(list(columns)[:30])}"
                yield parsed.paths[rule.id], "UNKNOWN_COLUMN", message, did_you_mean(name, columns)


def _located(context: Context, place: Path, gate: Any, problem: tuple[Path, str, str, str | None]) -> Problem:
    """Return a problem of the rules at its place in the pipeline file; of a suite, with the line in the suite's file."""
    path, code, message, hint = problem
    if path[:1] == ("suite",):
        text = context.project.file_path(gate.suite).read_text(encoding="utf-8")
        at = parse_tree(text).find(path[1:])
        return Problem((*place, "suite"), code, f"{gate.suite}:{at.line}:{at.column}: {message}", hint)
    return Problem((*place, *path), code, message, hint, on_key=_on_key(context.data, (*place, *path)))


def _on_key(data: Any, path: Path) -> bool:
    """Return whether a name is at fault: of a rule, or of an argument that is not known."""
    here = data
    for step in path:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            return True
    return isinstance(path[-1], str)
