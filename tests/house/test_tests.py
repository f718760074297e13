# SPDX-License-Identifier: Apache-2.0
"""Test modules are imported by nobody: one that is skipped, or needs what is not there, would take others with it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.tree import ROOT, sources

# Also in the text of a program that another process runs.
_WRITTEN = re.compile(r"\b(?:from|import)\s+(tests[.\w]*(?:\.test_\w+| import [\w, ]*\btest_\w+))")


def imported(text: str) -> set[str]:
    """Return the test modules that a file imports, and the tests."""
    names = (name for node in ast.walk(ast.parse(text)) for name in _names(node))
    return {*_WRITTEN.findall(text), *(name for name in names if re.search(r"(^|\.)test_", name))}


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.startswith("tests."))
    if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == "tests"):
        yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def test_no_test_module_is_imported() -> None:
    found = {
        path: imported((ROOT / path).read_text(encoding="utf-8")) for path in sources("tests", "benchmarks", "tools")
    }
    told = {str(path): names for path, names in found.items() if names}
    assert told == {}, "move what is shared to a module that is no test"


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("from TESTS.unit.test_a import b", True),
        ("import TESTS.unit.test_a", True),
        ("from TESTS.unit import test_a", True),
        ("def f():\n    from . import test_a", True),
        ("PROGRAM = '''\nfrom TESTS.unit.test_a import b\n'''", True),
        ("PROGRAM = 'import sys; from TESTS.unit import a, test_a as b'", True),
        ("from TESTS.unit.a import b", False),
        ("from elsewhere.test_a import b", False),
    ],
)
def test_an_import_is_seen_however_it_is_written(line: str, seen: bool) -> None:
    assert bool(imported(line.replace("TESTS", "tests"))) is seen
