# SPDX-License-Identifier: Apache-2.0
"""One thing that a check found."""

from __future__ import annotations

from datetime import timedelta

from airflow_dataops.core import durations
from airflow_dataops.core.kafka_health.codes import CODES, Code, Severity
from airflow_dataops.core.model import Model

_LONGEST_MS = 36_500 * 86_400_000


class Finding(Model):
    """One thing that a check found.

    Attributes:
        code: Stable name.
        severity: How bad it is.
        message: What is the case, in one line, with the numbers.
        hint: What to type or change.
        topic: Topic that it is about; None for the group as a whole.
        partition: Partition that it is about; None for the topic or the group as a whole.
    """

    code: Code
    severity: Severity
    message: str
    hint: str
    topic: str | None = None
    partition: int | None = None

    @property
    def retryable(self) -> bool:
        """True where another try may know more."""
        return CODES[self.code].retryable


def finding(
    code: Code,
    message: str,
    *,
    topic: str | None = None,
    partition: int | None = None,
    severity: Severity | None = None,
) -> Finding:
    """Return a finding with its code's own hint, and severity where no other is given."""
    meaning = CODES[code]
    return Finding(
        code=code,
        severity=severity or meaning.severity,
        message=message,
        hint=meaning.hint,
        topic=topic,
        partition=partition,
    )


def told(milliseconds: int) -> str:
    """Return a length of time for people."""
    return durations.told(timedelta(milliseconds=min(max(milliseconds, 0), _LONGEST_MS)))
