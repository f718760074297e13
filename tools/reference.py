# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/api: one page a public module, naming what its ``__all__`` names. ``--check`` only compares."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "reference" / "api"


def public_modules() -> dict[str, list[str]]:
    """Return module -> names in its ``__all__``, for each module that has one and whose name does not begin with ``_``."""
    found = {}
    for package in ("airflow_dataops", "dag_factories"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            if not any(part.startswith("_") for part in parts) and (names := exported(path)):
                found[".".join(parts)] = names
    return found


def exported(path: Path) -> list[str]:
    """Return the literal ``__all__`` of a file, without importing it; empty where there is none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if node and any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return [name for name in ast.literal_eval(node.value) if name != "__version__"]
    return []


def page(module: str, names: list[str]) -> str:
    """Return the Markdown of one module."""
    return f"# {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members: {', '.join(names)}\n```\n"


def pages() -> dict[Path, str]:
    """Return file -> text of every page that there should be."""
    return {PAGES / f"{module}.md": page(module, names) for module, names in public_modules().items()}


def stale() -> list[str]:
    """Return the names of pages that are missing, differ, or should not be there."""
    wanted = pages()
    there = {path: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}
    return sorted(path.name for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))


def main() -> int:
    """Write all pages, or with ``--check`` say which are stale; returns the exit code."""
    if "--check" in sys.argv[1:]:
        names = stale()
        if names:
            print("stale, run tools/reference.py:", *names, sep="\n  ")
        return int(bool(names))
    wanted = pages()
    PAGES.mkdir(parents=True, exist_ok=True)
    for path in PAGES.glob("*.md"):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
