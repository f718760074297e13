# SPDX-License-Identifier: Apache-2.0
"""Write the table of rules into docs/reference/rules.md: python tools/rules_table.py."""

from __future__ import annotations

import inspect
from pathlib import Path

from airflow_dataops.core.dq_gate.registry import REGISTRY
from airflow_dataops.core.dq_gate.rule import RowRule, Rule

PAGE = Path(__file__).parents[1] / "docs/reference/rules.md"
BEGIN, END = "<!-- rules: begin -->\n", "<!-- rules: end -->\n"


def table() -> str:
    """Return the table: one line a rule, those on rows first."""
    lines = ["| Rule | Holds where | Short form | Arguments | Great Expectations |", "|---|---|---|---|---|"]
    lines += [_line(name, cls) for name, cls in sorted(REGISTRY.items(), key=_order)]
    return "\n".join(lines) + "\n"


def _order(entry: tuple[str, type[Rule]]) -> tuple[bool, str, str]:
    name, cls = entry
    return (not issubclass(cls, RowRule), cls.__module__, name)


def _line(name: str, cls: type[Rule]) -> str:
    what = (inspect.getdoc(cls) or "").splitlines()[0].replace("|", "\\|").replace("``", "`")
    shared = {*Rule.model_fields, "mostly"}
    own = [field for field in cls.model_fields if field not in shared]
    named = [field.removeprefix("*") for field in cls.positional]
    arguments = ", ".join(f"`{field}`" for field in dict.fromkeys([*named, *own]))
    theirs = "<br>".join(f"`{gx}`" for gx in cls.gx) or "–"
    return f"| `{name}` | {what} | `{cls.example}` | {arguments} | {theirs} |"


def filled(page: str) -> str:
    """Return the page with the table of today."""
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
