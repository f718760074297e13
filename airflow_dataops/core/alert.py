# SPDX-License-Identifier: Apache-2.0
"""What an alert says, whatever carries it."""

from __future__ import annotations

from typing import Literal

from airflow_dataops.core.model import Model

AlertSeverity = Literal["critical", "warning", "info"]
_LINES, _LONGEST_LINE = 25, 300


class AlertMessage(Model):
    """One alert; its dumped form is what a webhook posts.

    Attributes:
        severity: ``critical``, ``warning`` or ``info``.
        pipeline: Name of the pipeline.
        task: Id of the task that tells it; None where the whole run does.
        run_key: Key of the run; None where it is not known.
        run_id: Airflow's id of the run.
        title: One line.
        reasons: Why, one line each.
        page: Address of the result page.
        log: Address of the task's log.
    """

    severity: AlertSeverity
    pipeline: str
    task: str | None = None
    run_key: str | None = None
    run_id: str | None = None
    title: str
    reasons: list[str] = []
    page: str | None = None
    log: str | None = None

    def as_text(self) -> str:
        """Return the alert as a mail or a log line says it."""
        where = [f"run: {self.run_key or self.run_id}"] if self.run_key or self.run_id else []
        links = [f"{name}: {link}" for name, link in (("result page", self.page), ("log", self.log)) if link]
        return "\n".join([self.title, *self.reasons, *where, *links])


def title_of(severity: str, pipeline: str, task: str | None, verdict: str | None) -> str:
    """Return the line that a reader sees first."""
    what = f"{pipeline}.{task}" if task else pipeline
    return f"[{severity}] {what} {verdict or ('failed' if severity == 'critical' else 'says')}"


def lines_of(text: str) -> list[str]:
    """Return a failure's text as lines short enough for any channel."""
    lines = [line.strip()[:_LONGEST_LINE] for line in text.splitlines() if line.strip()]
    return lines if len(lines) <= _LINES else [*lines[:_LINES], "…"]


__all__ = ["AlertMessage", "AlertSeverity", "lines_of", "title_of"]
