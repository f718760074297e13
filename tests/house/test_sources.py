# SPDX-License-Identifier: Apache-2.0
"""What every source file keeps to."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, sources

SPDX = "# SPDX-License-Identifier: Apache-2.0"
LONGEST_FILE, MEDIAN_FILE, LONGEST_FUNCTION = 400, 120, 40
CODE = sources(*PACKAGES)
ALL = CODE + sources("tests", "example_dags", "benchmarks", "tools", "docs")
CORE = sources("airflow_dataops/core")
# Calls that give another answer each time, or reach outside of the process.
IMPURE = {
    "now",
    "utcnow",
    "today",
    "open",
    "print",
    "input",
    "read_text",
    "write_text",
    "read_bytes",
    "write_bytes",
    "urandom",
}


@pytest.mark.parametrize("path", ALL, ids=str)
def test_a_file_says_its_licence_first_and_is_not_too_long(path: Path) -> None:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines and lines[0].startswith("#!") else next(iter(lines), "")
    assert first == SPDX
    assert len(lines) <= LONGEST_FILE


@pytest.mark.parametrize("path", CODE, ids=str)
def test_no_function_is_too_long(path: Path) -> None:
    too_long = {node.name: length for node in functions(path) if (length := lines_of_code(node)) > LONGEST_FUNCTION}
    assert too_long == {}


def test_the_usual_file_is_short() -> None:
    assert (
        statistics.median(len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in CODE) <= MEDIAN_FILE
    )


@pytest.mark.parametrize("path", CORE, ids=str)
def test_the_core_calls_nothing_impure(path: Path) -> None:
    calls = {called(node) for node in ast.walk(parse(path)) if isinstance(node, ast.Call)}
    assert calls & IMPURE == set()


def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(parse(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of_code(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end; the docstring does not count."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    documented = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return length - ((first.end_lineno or 0) - first.lineno + 1 if documented else 0)


def called(node: ast.Call) -> str:
    target = node.func
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
