# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a file, and where: the finding, and the error that carries several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from airflow_dataops.core.errors import SpecError

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; the fields are the public contract of ``dataops check --format json``.

    Attributes:
        file: The file, as the caller named it.
        line: Line, from 1.
        column: Column in characters, from 1.
        severity: ``error`` (the pipeline cannot run as written) or ``warning`` (it can, and is probably not meant so).
        code: Stable name in capitals; all are listed in ``docs/reference/findings.md``.
        message: What was received and what is valid.
        suggestion: What to type; None where there is nothing better to say than the message.
    """

    file: str
    line: int
    column: int
    severity: Severity
    code: str
    message: str
    suggestion: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-safe data with exactly the fields of the contract."""
        return asdict(self)

    def __str__(self) -> str:
        """Return ``file:line:column: CODE message`` and, on a second line, the suggestion."""
        text = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.code} {self.message}"
        return f"{text}\n  -> {self.suggestion}" if self.suggestion else text


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings by file and position, each once."""
    return sorted(set(findings), key=lambda f: (f.file, f.line, f.column, f.code, f.message))


def has_errors(findings: Iterable[Finding]) -> bool:
    """Return whether one of them keeps the pipeline from running."""
    return any(finding.severity == "error" for finding in findings)


class PipelineError(SpecError):
    """A pipeline file cannot be used; its text lists all that is wrong with it.

    Args:
        findings: What is wrong; at least one error.
    """

    default_code = "PIPELINE_INVALID"

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(ordered(findings))
        count = len(self.findings)
        lines = "\n".join(str(finding) for finding in self.findings)
        super().__init__(
            f"{count} finding{'s' if count != 1 else ''}\n{lines}",
            details={"findings": [finding.to_dict() for finding in self.findings]},
        )
