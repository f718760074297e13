# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the walks, and their summary; whatever lies here is an integration test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.fixtures import forked, pytest_terminal_summary, walk_of

__all__ = ["forked", "pytest_terminal_summary", "walk_of"]


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.integration)
