# SPDX-License-Identifier: Apache-2.0
"""The words of a gate, for those who need no more of it."""

from __future__ import annotations

from typing import Literal

Severity = Literal["critical", "warning", "info"]
OnFailure = Literal["quarantine", "fail", "warn"]
Verdict = Literal["passed", "warned", "quarantined", "failed"]
