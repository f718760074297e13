# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[4] / "tools/rules_table.py"


@pytest.fixture(scope="module")
def tool() -> Any:
    """Return tools/rules_table.py as a module."""
    spec = importlib.util.spec_from_file_location("rules_table", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_lists_every_rule_of_today(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert page == tool.filled(page), "run: python tools/rules_table.py"
