# SPDX-License-Identifier: Apache-2.0
"""How the checks of a preflight came out, and which of them are bad."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from airflow_dataops.core.model import Model


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"  # it may work, or not for long
    UNKNOWN = "unknown"  # nobody lets us look; never a pass
    PROBLEM = "problem"  # the run would fail


_ORDER = tuple(Level)  # from good to bad


class Finding(Model):
    """How one check came out.

    Attributes:
        check: Stable name: ``subnet.private_google_access``.
        level: How.
        message: What was seen and what is needed.
        fix: The line to type that mends it, or lets us look; None where there is nothing to mend.
        manifests: Objects of Kubernetes that mend it, or let us look, for ``kubectl apply --server-side -f -``.
    """

    check: str
    level: Level
    message: str
    fix: str | None = None
    manifests: tuple[dict[str, Any], ...] = ()


def as_bad_as(found: Iterable[Finding], level: Level) -> tuple[Finding, ...]:
    """Return the findings that are at least so bad, the worst first, else in their order.

    Args:
        found: Findings.
        level: ``problem`` for what is certain to be missing; ``unknown`` and ``warning`` for that and all that is worse.
    """
    bad = [finding for finding in found if _ORDER.index(finding.level) >= _ORDER.index(level)]
    return tuple(sorted(bad, key=lambda finding: -_ORDER.index(finding.level)))


__all__ = ["Finding", "Level", "as_bad_as"]
