# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the walks, and their summary."""

from __future__ import annotations

from tests.faults.fixtures import forked, pytest_terminal_summary, walk_of

__all__ = ["forked", "pytest_terminal_summary", "walk_of"]
