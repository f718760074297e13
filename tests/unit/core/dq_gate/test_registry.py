# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dataops.core.dq_gate import rules
from airflow_dataops.core.dq_gate.registry import GX_REGISTRY, REGISTRY, rule
from airflow_dataops.core.dq_gate.rule import TableRule


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_each_listed_rule_is_in_its_module(name: str) -> None:
    assert REGISTRY[name].kind == name


@pytest.mark.parametrize("name", sorted(GX_REGISTRY))
def test_each_listed_expectation_belongs_to_a_rule(name: str) -> None:
    assert name in GX_REGISTRY[name].gx


def test_each_module_is_listed() -> None:
    files = {file.stem for file in Path(rules.__path__[0]).glob("*.py")} - {"__init__"}
    assert set(rules.MODULES) == files


def test_a_rule_that_is_not_listed_is_refused() -> None:
    with pytest.raises(ValueError, match="'unheard_of' is not listed"):
        rule("unheard_of")


def test_a_second_rule_of_one_name_is_refused() -> None:
    REGISTRY["mean"]
    with pytest.raises(ValueError, match="two rules are called 'mean'"):
        rule("mean")(TableRule)


def test_only_the_modules_of_rules_that_are_used_are_imported() -> None:
    code = (
        "import sys; from airflow_dataops.core.dq_gate.parse import parse_all; parse_all(None, [{'not_null': 'a'}]);"
        f"print([name for name in sys.modules if name.startswith({rules.__name__ + '.'!r})])"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == f"['{rules.__name__}.nulls']"
