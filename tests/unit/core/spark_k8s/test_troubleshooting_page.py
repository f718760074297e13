# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.failures import Reason
from tests.house.tree import script


@pytest.fixture(scope="module")
def tool() -> Any:
    """Return tools/spark_failures.py as a module."""
    return script("tools/spark_failures.py")


def test_the_page_explains_every_code_of_today(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert page == tool.filled(page), "run: python tools/spark_failures.py"
    assert [page.count(f"### `{code.value}`\n") for code in Reason] == [1] * len(Reason)


def test_a_page_that_lags_is_seen(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8").replace("A node cannot get the image.", "It fails.")
    assert page != tool.filled(page)
