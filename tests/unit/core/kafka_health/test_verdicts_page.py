# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.kafka_health.burrow import WindowStatus
from airflow_dataops.core.kafka_health.codes import Code, Severity
from tests.house.tree import script


@pytest.fixture(scope="module")
def tool() -> Any:
    """Return tools/kafka_verdicts.py as a module."""
    return script("tools/kafka_verdicts.py")


def test_the_page_explains_every_code_of_today(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert page == tool.filled(page), "run: python tools/kafka_verdicts.py"
    assert [page.count(f"### `{code.value}`\n") for code in Code] == [1] * len(Code)


def test_the_page_names_every_severity_and_status(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert [name for name in (*Severity, *WindowStatus) if f"`{name.value}`" not in page] == []


def test_a_page_that_lags_is_seen(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8").replace("There is no such group.", "It is gone.")
    assert page != tool.filled(page)
