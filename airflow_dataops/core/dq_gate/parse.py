# SPDX-License-Identifier: Apache-2.0
"""From what an author wrote to rules: the short form, and the checks that need no table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_dataops.core.dq_gate.built import Parsed, build, expression_problems
from airflow_dataops.core.dq_gate.gx import parse_suite
from airflow_dataops.core.dq_gate.problems import Path, Problem
from airflow_dataops.core.dq_gate.registry import REGISTRY
from airflow_dataops.core.dq_gate.rule import Rule
from airflow_dataops.core.errors import did_you_mean

COMMON = ("id", "severity", "mostly", "row_condition", "condition_parser", "description")


def parse_rules(suite: dict[str, Any] | None, rules: Sequence[Any]) -> tuple[list[Rule], list[Problem]]:
    """Return the rules of a suite and of the short form, and everything that is wrong with them.

    Args:
        suite: A Great Expectations suite as JSON, of 1.x or 0.18; None for none.
        rules: Rules in the short form.

    Returns:
        The rules that could be read, the suite's first, each with its id; and the problems, in the author's order.
    """
    parsed = parse_all(suite, rules)
    return parsed.rules, parsed.problems


def parse_all(suite: Any, rules: Any) -> Parsed:
    """Like :func:`parse_rules`, with the place of each rule."""
    parsed = Parsed()
    if suite is not None:
        parse_suite(suite, parsed)
    if not isinstance(rules, list | tuple):
        parsed.problems.append(
            Problem(("rules",), "BAD_RULE", f"rules is a list, not {type(rules).__name__}", "- not_null: tailnum")
        )
        return parsed
    for index, written in enumerate(rules):
        _parse_short(written, ("rules", index), parsed)
    return parsed


def _parse_short(written: Any, path: Path, parsed: Parsed) -> None:
    if isinstance(written, dict):
        # YAML reads a bare `null` as no name at all.
        written = {"is_null" if key in (None, "null") else key: value for key, value in written.items()}
    if not isinstance(written, dict) or not written or not all(isinstance(key, str) for key in written):
        message = f"a rule is a mapping from its name to its arguments, not {written!r}"
        parsed.problems.append(Problem(path, "BAD_RULE", message, "{not_null: tailnum}"))
        return
    names = [key for key in written if key not in COMMON]
    unknown = [name for name in names if name not in REGISTRY]
    for name in unknown:
        message = f"unknown rule {name!r}; known are: {', '.join(sorted(REGISTRY))}"
        parsed.problems.append(Problem((*path, name), "UNKNOWN_RULE", message, did_you_mean(name, REGISTRY)))
    if unknown:
        return
    if len(names) != 1:
        message = f"a rule has exactly one name; this one has {', '.join(names) or 'none'}"
        parsed.problems.append(Problem(path, "BAD_RULE", message, "make each a rule of its own"))
        return
    cls = REGISTRY[names[0]]
    common = {key: value for key, value in written.items() if key != names[0]}
    arguments = _arguments(cls, written[names[0]], (*path, names[0]), parsed)
    if arguments is not None:
        build(cls, {**common, **arguments}, (*path, names[0]), parsed)


def _arguments(cls: type[Rule], value: Any, path: Path, parsed: Parsed) -> dict[str, Any] | None:
    """Return the named arguments of the short form: a mapping as it is, a list or single value by position."""
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return value
        parsed.problems.append(
            Problem(path, "BAD_ARGUMENT", f"names of arguments are texts, not {list(value)!r}", cls.example)
        )
        return None
    names = cls.positional
    if names[-1].startswith("*"):
        return {names[-1][1:]: value if isinstance(value, list) else [value]}
    values = value if isinstance(value, list) else [value]
    if len(values) > len(names):
        message = f"{cls.kind} takes {', '.join(names)} in this order; {len(values)} values were given"
        parsed.problems.append(Problem(path, "BAD_ARGUMENT", message, cls.example))
        return None
    return dict(zip(names, values, strict=False))


def check_columns(
    rules: Sequence[Rule], columns: Mapping[str, str], paths: Mapping[str, Path] | None = None
) -> list[Problem]:
    """Return what is wrong with rules on a table of known columns: unknown columns, values of another type, conditions.

    Args:
        rules: Rules with their ids.
        columns: Column -> canonical type.
        paths: Rule id -> its place, of :class:`Parsed`; the id itself when omitted.
    """
    problems = []
    for rule in rules:
        path = (paths or {}).get(rule.id, ("rules", rule.id))
        unknown = [name for name in rule.reads() if name not in columns]
        for name in unknown:
            listed = ", ".join(list(columns)[:30]) + (" …" if len(columns) > 30 else "")
            message = f"rule {rule.id!r}: the table has no column {name!r}; it has: {listed or 'none'}"
            problems.append(Problem(path, "UNKNOWN_COLUMN", message, did_you_mean(name, columns)))
        if not unknown:
            faults = [
                Problem(path, "BAD_ARGUMENT_TYPE", f"rule {rule.id!r}: {fault}") for fault in rule.type_faults(columns)
            ]
            problems += faults + expression_problems(rule, path, columns)
    return problems
