# SPDX-License-Identifier: Apache-2.0
"""What is public: ``__all__`` says it, docs/reference/api lists it, and it is there."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SHELL, modules, script

PAGES = sorted((ROOT / "docs/reference/api").glob("*.md"))
reference = script("tools/reference.py")
PUBLIC: dict[str, list[str]] = reference.public_modules()
NEEDS_AIRFLOW = (*tuple(f"airflow_dataops.{layer}" for layer in SHELL), "dag_factories.realise")


def marked(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.airflow if name.startswith(NEEDS_AIRFLOW) else [])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_documents_exactly_what_its_module_exports(path: Path) -> None:
    members = re.search(r":members: (.*)", path.read_text(encoding="utf-8"))
    assert members is not None
    assert sorted(members[1].split(", ")) == sorted(PUBLIC.get(path.stem, [])), "run tools/reference.py"


def test_every_public_module_has_its_page_and_no_other() -> None:
    assert {path.stem for path in PAGES} == set(PUBLIC), "run tools/reference.py"


def test_the_page_of_operators_names_each_of_them() -> None:
    page = (ROOT / "docs/reference/operators.md").read_text(encoding="utf-8")
    shells = {name: symbols for name, symbols in PUBLIC.items() if name.startswith("airflow_dataops.operators.")}
    operators = [f"{name}.{one}" for name, symbols in shells.items() for one in symbols if one.endswith("Operator")]
    assert len(operators) > 10
    assert [one for one in operators if f"`{one}`" not in page] == []


@pytest.mark.parametrize("name", map(marked, PUBLIC))
def test_what_is_exported_exists_and_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    exported = {symbol: getattr(module, symbol) for symbol in module.__all__ if symbol != "__version__"}
    things = {symbol: value for symbol, value in exported.items() if inspect.isclass(value) or inspect.isroutine(value)}
    undocumented = [symbol for symbol, value in things.items() if not inspect.getdoc(value)]
    assert undocumented == []


@pytest.mark.parametrize("name", [name for layer in SHELL for name in modules(f"airflow_dataops.{layer}")])
def test_a_module_that_dag_authors_import_says_what_is_public(name: str) -> None:
    path = ROOT / f"{name.replace('.', '/')}.py"
    if not path.exists() or path.stem.startswith("_"):
        return  # a package's __init__ exports nothing here
    defined = {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    assert {symbol for symbol in defined if not symbol.startswith("_")} <= set(PUBLIC.get(name, []))
