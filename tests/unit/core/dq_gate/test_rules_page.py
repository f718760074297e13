# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from tests.house.tree import script


@pytest.fixture(scope="module")
def tool() -> Any:
    """Return tools/rules_table.py as a module."""
    return script("tools/rules_table.py")


def test_the_page_lists_every_rule_of_today(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert page == tool.filled(page), "run: python tools/rules_table.py"
