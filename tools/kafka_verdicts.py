# SPDX-License-Identifier: Apache-2.0
"""Write what a check of a consumer group can find into docs/reference/kafka_health.md: python tools/kafka_verdicts.py."""

from __future__ import annotations

from pathlib import Path

from airflow_dataops.core.kafka_health.codes import STATES, TRENDS, UNKNOWNS, Code, Meaning

PAGE = Path(__file__).parents[1] / "docs/reference/kafka_health.md"
BEGIN, END = "<!-- verdicts: begin -->\n", "<!-- verdicts: end -->\n"
_PARTS = (
    ("How the commits move", TRENDS),
    ("What is the case", STATES),
    ("What could not be read", UNKNOWNS),
)


def verdicts() -> str:
    """Return a table of all codes, and an entry for each."""
    lines = ["| Code | Severity | Policy | In one line |", "|---|---|---|---|"]
    lines += [_line(code, meaning) for _, part in _PARTS for code, meaning in part.items()]
    entries = [
        text for title, part in _PARTS for text in (f"## {title}\n", *(_entry(*found) for found in part.items()))
    ]
    return "\n".join([*lines, "", *entries])


def _line(code: Code, meaning: Meaning) -> str:
    sees = "both" if meaning.sees == "both" else "`strict`"
    return f"| [`{code.value}`](#{code.value.lower()}) | {meaning.severity.value} | {sees} | {meaning.means} |"


def _entry(code: Code, meaning: Meaning) -> str:
    retried = f"- **Another try may know more:** {'yes' if meaning.retryable else 'no'}.\n" if code in UNKNOWNS else ""
    return f"### `{code.value}`\n\n{meaning.means}\n\n- **Known by:** {meaning.signs}.\n- **Do:** {meaning.hint}.\n{retried}"


def filled(page: str) -> str:
    """Return the page with the verdicts of today."""
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{verdicts()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
