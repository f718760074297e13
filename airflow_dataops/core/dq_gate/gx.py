# SPDX-License-Identifier: Apache-2.0
"""Great Expectations suites, unchanged, as rules. The library itself is never needed."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.dq_gate.built import Parsed, build
from airflow_dataops.core.dq_gate.problems import Path, Problem
from airflow_dataops.core.dq_gate.registry import GX_REGISTRY
from airflow_dataops.core.dq_gate.rule import Rule
from airflow_dataops.core.errors import did_you_mean

SEVERITIES = ("critical", "warning", "info")
# They steer how Great Expectations runs or reports, not what is expected.
_RUNTIME = {
    "batch_id",
    "result_format",
    "catch_exceptions",
    "include_config",
    "table",
    "interactive_evaluation",
    "meta",
    "severity",
}
# Switches of 0.18 and 1.x that change nothing while they are off.
_OFF = {
    "auto",
    "profiler_config",
    "parse_strings_as_datetimes",
    "allow_cross_type_comparisons",
    "allow_relative_error",
    "output_strftime_format",
    "ties_okay",
}
_PANDAS = ("pandas", "python")


def parse_suite(suite: Any, parsed: Parsed) -> None:
    """Add the rules and problems of a suite.

    Args:
        suite: The suite's JSON: 1.x (``type``) or 0.18 (``expectation_type``).
        parsed: Takes them.
    """
    expectations = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(expectations, list):
        received = f"keys {', '.join(map(str, suite)) or 'none'}" if isinstance(suite, dict) else type(suite).__name__
        message = f"a suite is an object with a list `expectations`; got {received}"
        parsed.problems.append(
            Problem(("suite",), "BAD_SUITE", message, '{"name": "…", "expectations": [{"type": "…", "kwargs": {…}}]}')
        )
        return
    for index, expectation in enumerate(expectations):
        _expectation(expectation, ("suite", "expectations", index), parsed)


def _expectation(expectation: Any, path: Path, parsed: Parsed) -> None:
    name = expectation.get("type", expectation.get("expectation_type")) if isinstance(expectation, dict) else None
    kwargs = expectation.get("kwargs", {}) if isinstance(expectation, dict) else None
    if not isinstance(name, str) or not isinstance(kwargs, dict):
        message = f"an expectation is an object with `type` and `kwargs`; got {str(expectation)[:120]}"
        parsed.problems.append(
            Problem(
                path,
                "BAD_SUITE",
                message,
                '{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}',
            )
        )
        return
    cls = GX_REGISTRY.get(name)
    if cls is None:
        near = did_you_mean(name, GX_REGISTRY)
        message = f"expectation {name!r} is not compiled; compiled are: {', '.join(sorted(GX_REGISTRY))}"
        hint = near or "take it out of the suite, or say it as a `condition` in rules"
        parsed.problems.append(Problem((*path, "type"), "GX_NOT_COMPILED", message, hint))
        return
    before = len(parsed.problems)
    arguments = _arguments(cls, name, kwargs, (*path, "kwargs"), parsed)
    severity = _severity(expectation, path, parsed)
    if len(parsed.problems) == before:
        description = expectation.get("description")
        own = {
            "severity": severity,
            "gx_type": name,
            "description": description if isinstance(description, str) else None,
        }
        names = {ours: theirs for theirs, ours in cls.gx_names.items()}
        build(cls, {**arguments, **own}, (*path, "kwargs"), parsed, names=names)


def _arguments(cls: type[Rule], name: str, kwargs: dict[str, Any], path: Path, parsed: Parsed) -> dict[str, Any]:
    given = {key: value for key, value in kwargs.items() if value is not None and key not in _RUNTIME}
    for key in _OFF & given.keys():
        if given.pop(key):
            message = f"{name} with {key}={kwargs[key]!r} is not compiled"
            parsed.problems.append(Problem((*path, key), "GX_NOT_COMPILED", message, f"take {key} out"))
    for key, value in list(given.items()):
        if isinstance(value, dict) and "$PARAMETER" in value:
            message = f"{name}: {key} is the suite parameter {value['$PARAMETER']!r}, which has no value here"
            parsed.problems.append(
                Problem((*path, key), "GX_NOT_COMPILED", message, "write the value itself into the suite")
            )
            del given[key]
    _row_condition(given, name, path, parsed)
    return cls.from_gx(name, given)


def _row_condition(given: dict[str, Any], name: str, path: Path, parsed: Parsed) -> None:
    parser = given.pop("condition_parser", None)
    condition = given.get("row_condition")
    if not condition:
        given.pop("row_condition", None)
        return
    if isinstance(condition, str) and parser not in (
        "spark",
        "great_expectations",
        "great_expectations__experimental__",
        *_PANDAS,
    ):
        message = f"{name}: row_condition needs a condition_parser: great_expectations, spark or pandas; got {parser!r}"
        parsed.problems.append(
            Problem((*path, "condition_parser"), "BAD_ARGUMENT", message, '"condition_parser": "great_expectations"')
        )
        return
    if isinstance(parser, str):
        given["condition_parser"] = "pandas" if parser in _PANDAS else parser


def _severity(expectation: dict[str, Any], path: Path, parsed: Parsed) -> Any:
    """Return the severity: beside the type (1.x), or in ``meta`` (as suites of 0.18 carry it)."""
    meta = expectation.get("meta")
    noted = meta.get("severity") if isinstance(meta, dict) else None
    severity = expectation.get("severity") or noted or "critical"
    if severity not in SEVERITIES:
        message = f"severity {severity!r} is unknown; known are: {', '.join(SEVERITIES)}"
        parsed.problems.append(
            Problem((*path, "severity"), "BAD_ARGUMENT", message, did_you_mean(str(severity), SEVERITIES))
        )
    return severity
