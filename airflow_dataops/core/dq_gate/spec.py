# SPDX-License-Identifier: Apache-2.0
"""What a gate is told and what it returns."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from airflow_dataops.core.dq_gate.words import OnFailure, Severity, Verdict
from airflow_dataops.core.model import Model
from airflow_dataops.core.tables import ColumnProfile, JobResult, JobSpec, MaskSpec, QuarantineSpec, Slice, SourceSpec


class GateSpec(JobSpec):
    """A gate over one table.

    Attributes:
        source: The table to check; None checks what the run's refine step staged.
        slice: Which of its rows are the run's. Ignored for a staged table, which holds nothing else.
        suite: A Great Expectations suite as JSON (1.x or 0.18), or None.
        rules: Rules in the short form (``{"not_null": "tailnum"}``); added to those of the suite.
        on_failure: ``quarantine`` puts rows that break critical row rules aside and goes on; ``fail`` fails the run when a critical
            rule fails; ``warn`` never fails.
        max_quarantine_ratio: Highest share of rows, 0..1, that may be put aside before the gate fails.
        quarantine: How bad rows are kept.
        commit_quarantine: True commits bad rows at the end of this job (a gate on its own); False stages them for the publish step.
        masks: Column -> mask: for examples on the page, and for the quarantine where it inherits them.
        examples: Bad rows a rule that are kept as examples.
    """

    job: Literal["dq_gate"] = "dq_gate"
    source: SourceSpec | None = None
    slice: Slice
    suite: dict[str, Any] | None = None
    rules: list[dict[str, Any]] = []
    on_failure: OnFailure = "fail"
    max_quarantine_ratio: float = Field(default=1.0, ge=0.0, le=1.0)
    quarantine: QuarantineSpec = QuarantineSpec()
    commit_quarantine: bool = False
    masks: dict[str, MaskSpec] = {}
    examples: int = Field(default=5, ge=0, le=50)


class RuleOutcome(Model):
    """One rule after the check.

    Attributes:
        id: Stable id of the rule within its suite: ``not_null(tailnum)``, or the author's own.
        type: Name in the short form (``not_null``).
        gx_type: Great Expectations' name, None where it has none.
        kwargs: The rule's arguments, JSON-safe.
        columns: Columns that it looks at; empty for a table rule.
        severity: The author's severity.
        row_rule: True where single rows break it, so that they can be put aside.
        evaluated: Rows looked at (non-null ones for most rules, see the docs). For a rule on the table as a whole: rows of the table.
        missing: Rows whose value is null.
        unexpected: Rows that break the rule; 0 for a table rule.
        share: ``(evaluated - unexpected) / evaluated``; None where nothing was evaluated, or for a table rule.
        mostly: Share that is enough.
        observed: What a table rule saw (a mean, a count, a list of names), JSON-safe.
        passed: Whether the rule holds.
        message: One line that says what was expected and what was found.
        examples: Rows that break it, masked, JSON-safe; at most ``GateSpec.examples``.
    """

    id: str
    type: str
    gx_type: str | None = None
    kwargs: dict[str, Any] = {}
    columns: list[str] = []
    severity: Severity = "critical"
    row_rule: bool = True
    evaluated: int = 0
    missing: int = 0
    unexpected: int = 0
    share: float | None = None
    mostly: float = 1.0
    observed: Any = None
    passed: bool
    message: str = ""
    examples: list[dict[str, Any]] = []


class GateResult(JobResult):
    """What a gate found.

    Attributes:
        verdict: ``passed``; ``warned`` (a rule of lower severity failed, or ``on_failure: warn``); ``quarantined`` (bad rows were put
            aside and the rest goes on); ``failed``.
        reasons: Why it is not ``passed``, one line each, the worst first.
        rules: Every rule's outcome, in the author's order.
        columns: Nulls of each column of the table.
        quarantine_uri: Where the bad rows are (staged or committed); None where there are none.
        fingerprint: Digest of the source that was checked; a later step refuses a source with another one, since rows are named by
            their place in it.
        attempt: Of a gate over what the run staged: the try whose files it has seen; a publish takes no others.
    """

    job: Literal["dq_gate"] = "dq_gate"
    verdict: Verdict
    reasons: list[str] = []
    rules: list[RuleOutcome] = []
    columns: list[ColumnProfile] = []
    quarantine_uri: str | None = None
    fingerprint: str | None = None
    attempt: str | None = None

    def to_gx_dict(self) -> dict[str, Any]:
        """Return the result in the shape of Great Expectations' validation result (1.x)."""
        from airflow_dataops.core.dq_gate.gx_result import to_gx

        return to_gx(self)


__all__ = ["GateResult", "GateSpec", "OnFailure", "RuleOutcome", "Severity", "Verdict"]
