# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the walks, and their summary."""

from __future__ import annotations

from tests.faults.fixtures import forked, pytest_terminal_summary, walk_in_s3, walk_of
from tests.services.fixtures import seaweedfs

__all__ = ["forked", "pytest_terminal_summary", "seaweedfs", "walk_in_s3", "walk_of"]
