# SPDX-License-Identifier: Apache-2.0
"""A log that is told whole, as it is read."""

from __future__ import annotations

from typing import Any


async def lines_of(log: Any, *place: Any, **how: Any) -> list[str]:
    """Return a log's next lines, all of which have been told then."""
    found: list[str] = []
    for piece in await log.pieces(*place, **how):
        found += piece.lines
        log.cursor = piece.cursor
    return found
