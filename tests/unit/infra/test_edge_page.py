# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from tests.house.tree import script

pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def tool() -> Any:
    """Return tools/edge_tables.py as a module."""
    return script("tools/edge_tables.py")


def test_the_page_says_who_may_talk_to_whom_today(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert page == tool.filled(page), "run: python tools/edge_tables.py"


def test_each_policy_is_in_the_table_with_its_reason(tool: Any) -> None:
    lines = tool.network().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == [
        "to-dns", "from-clients", "from-prometheus", "to-kafka", "to-store", "to-archive",
    ]  # fmt: skip
    assert [line for line in lines if line.endswith("|  |")] == []
