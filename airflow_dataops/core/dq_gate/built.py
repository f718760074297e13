# SPDX-License-Identifier: Apache-2.0
"""From named arguments to a rule, whichever form they were written in; all that is wrong is collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from airflow_dataops.core.dq_gate.bounds import Bounds
from airflow_dataops.core.dq_gate.problems import Path, Problem
from airflow_dataops.core.dq_gate.rule import RowRule, Rule, TableRule
from airflow_dataops.core.errors import SpecError, did_you_mean


@dataclass
class Parsed:
    """Rules and problems so far, and where each rule stands.

    Attributes:
        rules: Rules in the author's order, with their ids.
        problems: What is wrong.
        paths: Rule id -> its place.
    """

    rules: list[Rule] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    paths: dict[str, Path] = field(default_factory=dict)

    def add(self, rule: Rule, path: Path) -> None:
        """Take a rule in under its id, or under one made from its kind and columns."""
        name = rule.id or f"{rule.kind}({', '.join(rule.about())})".removesuffix("()")[:180]
        if name in self.paths and rule.id:
            message = f"two rules have the id {name!r}; the other is {'.'.join(map(str, self.paths[name]))}"
            self.problems.append(Problem((*path, "id"), "DUPLICATE_RULE", message, "give one of them another id"))
            return
        number, base = 2, name
        while name in self.paths:
            name, number = f"{base}#{number}", number + 1
        self.paths[name] = path
        self.rules.append(rule.model_copy(update={"id": name}))


def build(
    cls: type[Rule], arguments: dict[str, Any], path: Path, parsed: Parsed, *, names: Mapping[str, str] | None = None
) -> None:
    """Make one rule, or note everything that is wrong with its arguments.

    Args:
        cls: The rule.
        arguments: Its arguments by field.
        path: Its place.
        parsed: Takes the rule, or the problems.
        names: Field -> name that the author used, where it differs.
    """
    try:
        rule = cls.model_validate(arguments)
    except ValidationError as error:
        shown = names or {}
        parsed.problems += [
            _problem(cls, fault, path, shown) for fault in error.errors(include_url=False, include_context=False)
        ]
        return
    if isinstance(rule, TableRule) and isinstance(rule, Bounds) and not rule.bounded and not rule.gx_type:
        parsed.problems.append(
            Problem(path, "BAD_ARGUMENT", f"{cls.kind} needs min, max or both: without, it cannot fail", cls.example)
        )
        return
    problems = expression_problems(rule, path)
    parsed.problems += problems
    if not problems:
        parsed.add(rule, path)


def _problem(cls: type[Rule], fault: Any, path: Path, names: Mapping[str, str]) -> Problem:
    place = [
        part
        for part in fault["loc"]
        if isinstance(part, int) or part in cls.model_fields or fault["type"] == "extra_forbidden"
    ]
    name = str(names.get(str(place[0]), place[0])) if place else ""
    valid = [
        n
        for n in cls.model_fields
        if n not in ("gx_type", "condition_parser") and (n != "mostly" or issubclass(cls, RowRule))
    ]
    if fault["type"] == "extra_forbidden":
        message = f"{cls.kind} has no argument {name!r}; valid are: {', '.join(names.get(n, n) for n in valid)}"
        return Problem((*path, name), "UNKNOWN_ARGUMENT", message, did_you_mean(name, valid) or cls.example)
    if fault["type"] == "missing":
        return Problem(path, "MISSING_ARGUMENT", f"{cls.kind} needs {name}", cls.example)
    message = fault["msg"].removeprefix("Value error, ")
    if not place:
        return Problem(path, "BAD_ARGUMENT", f"{cls.kind}: {message}", cls.example)
    received = f"; got {fault['input']!r}"[:120]
    return Problem((*path, name, *place[1:]), "BAD_ARGUMENT", f"{name} of {cls.kind}: {message}{received}", cls.example)


def expression_problems(rule: Rule, path: Path, columns: Mapping[str, str] | None = None) -> list[Problem]:
    """Read the SQL of a rule, where it has any; the SQL library is loaded only then."""
    checks: list[tuple[str, Any]] = []
    if rule.row_condition is not None:
        checks.append(("row_condition", rule.row_condition))
    expression = getattr(rule, "expression", None)
    if expression is not None:
        checks.append(("expression", expression))
    if not checks:
        return []
    from airflow_dataops.core.dq_gate.row_conditions import compile_row_condition

    problems = []
    for name, text in checks:
        try:
            compile_row_condition(text, rule.condition_parser if name == "row_condition" else "sql", columns)
        except SpecError as error:
            problems.append(Problem((*path, name), error.code, f"{rule.kind}: {error.message}", error.hint))
    return problems
