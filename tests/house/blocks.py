# SPDX-License-Identifier: Apache-2.0
"""The code blocks of a Markdown page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT

_BLOCK = re.compile(
    r"(?P<skip><!-- not run: (?P<why>[^>]+?) -->\n+)?^(?P<fence>`{3,})(?P<language>\w+)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: File, relative to the root.
        line: Line of its first code line.
        language: What stands after the fence.
        text: The code.
        why_not: Why it is not run; None where it is.
    """

    page: Path
    line: int
    language: str
    text: str
    why_not: str | None


def blocks(page: Path) -> list[Block]:
    """Return all fenced blocks that name a language, in order."""
    source = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, source.count("\n", 0, found.start("text")) + 1, found["language"], found["text"], found["why"])
        for found in _BLOCK.finditer(source)
    ]


def pages() -> list[Path]:
    """Return all pages that users read, relative to the root."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    found = [*top, *(ROOT / "docs").rglob("*.md"), *(ROOT / "example_dags").glob("*.md")]
    return sorted(path.relative_to(ROOT) for path in found if path.exists() and "reference/api" not in path.as_posix())
