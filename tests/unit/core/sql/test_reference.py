# SPDX-License-Identifier: Apache-2.0
"""The pages name every function and every pin, in the words of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.core.sql.dialects import PINS
from airflow_dataops.core.sql.functions import ALIASES, FUNCTIONS, UNITS

DOCS = Path(__file__).parents[4] / "docs"
EXPRESSIONS = (DOCS / "reference" / "expressions.md").read_text(encoding="utf-8")
ENGINES = (DOCS / "explanation" / "engines.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_reference_has_a_row_for_each_function(name: str) -> None:
    rows = [line for line in EXPRESSIONS.splitlines() if line.startswith(f"| `{name}(")]
    assert len(rows) == 1
    assert rows[0].endswith(f"| {FUNCTIONS[name].help} |")


@pytest.mark.parametrize("name", [*ALIASES, *UNITS])
def test_the_reference_names_aliases_and_units(name: str) -> None:
    assert name in EXPRESSIONS


@pytest.mark.parametrize("name", PINS)
def test_the_table_of_differences_has_a_row_for_each_pin(name: str) -> None:
    assert f"| `{name}` | {PINS[name].why} |" in ENGINES
