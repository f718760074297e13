# SPDX-License-Identifier: Apache-2.0
"""Write why a Spark run fails into docs/how-to/spark_troubleshooting.md: python tools/spark_failures.py."""

from __future__ import annotations

from pathlib import Path

from airflow_dataops.core.spark_k8s.failures import DIAGNOSES, ENDINGS, Cause, Reason

PAGE = Path(__file__).parents[1] / "docs/how-to/spark_troubleshooting.md"
BEGIN, END = "<!-- causes: begin -->\n", "<!-- causes: end -->\n"


def causes() -> str:
    """Return an entry a code: what failed first, then how a run can end beside that."""
    parts = ["## What goes wrong with the driver\n", *(_entry(code, cause) for code, cause in DIAGNOSES.items())]
    parts += ["## How a run can end beside that\n", *(_entry(code, cause) for code, cause in ENDINGS.items())]
    return "\n".join(parts)


def _entry(code: Reason, cause: Cause) -> str:
    retried = "yes" if cause.retryable else "no"
    return (
        f"### `{code.value}`\n\n{cause.means}\n\n"
        f"- **Known by:** {cause.signs}.\n- **Do:** {_sentence(cause.hint)}\n- **Another try may help:** {retried}.\n"
    )


def _sentence(hint: str) -> str:
    """Return a hint with a command at its end set as one."""
    text, colon, command = hint.rpartition(": ")
    if not colon or not command.startswith(("kubectl", "oc ", "dataops")):
        return f"{hint}."
    command, semicolon, rest = command.partition("; ")
    return f"{text}: `{command}`{semicolon}{rest}."


def filled(page: str) -> str:
    """Return the page with the entries of today."""
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{causes()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
