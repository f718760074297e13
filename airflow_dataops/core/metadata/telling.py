# SPDX-License-Identifier: Apache-2.0
"""What the steps of a metadata pipeline say: reasons for a task that fails, and tables for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_dataops.core.metadata.jobs import Check, DrainResult, PreflightResult, ReconcileResult
from airflow_dataops.core.tables import JobResult

_MOST, _LONGEST = 10, 300
_MOST_ROWS = 50
_TITLES = {
    "metadata_preflight": "Not all is there that a run needs:",
    "metadata_health": "The consumer group is not well:",
    "metadata_reconcile": "Topic, store and archive differ:",
}


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        title: What it shows.
        columns: Heads; one that begins with ``#`` holds numbers.
        rows: Cells, as many as there are heads.
        hidden: Rows that are left out.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    hidden: int = 0


def failure_text(result: Mapping[str, Any], page: str | None = None) -> str:
    """Return the text for a step whose verdict is ``failed``.

    Args:
        result: The result's document.
        page: Link to the result page.
    """
    reasons = [str(reason)[:_LONGEST] for reason in result["reasons"]]
    lines = [_TITLES[result["job"]], *(f"  - {reason}" for reason in reasons[:_MOST])]
    if len(reasons) > _MOST:
        lines.append(f"  … and {len(reasons) - _MOST} more")
    if page:
        lines.append(f"Result page: {page}")
    return "\n".join(lines)


def preflight_reasons(checks: Sequence[Check], refused: Mapping[str, str]) -> list[str]:
    """Return what of a preflight is not as it should be, the worst first, each with what to do."""
    order = {"failed": 0, "unknown": 1, "warning": 2}
    found = sorted((check for check in checks if check.status != "ok"), key=lambda check: order[check.status])
    told = [f"{check.name}: {check.found}{f' -> {check.hint}' if check.hint else ''}" for check in found]
    return told + [f"{place} is no event: {why.partition(chr(10))[0]}" for place, why in refused.items()]


def reconcile_reasons(
    differences: Mapping[str, int], examples: Sequence[Mapping[str, Any]], listed: str | None
) -> list[str]:
    """Return what of a comparison differs: counts by kind, then the first places."""
    if not differences:
        return []
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in differences.items())
    told = [f"{sum(differences.values()):,} differences ({kinds}); all of them: {listed}"]
    for one in examples:
        place = "" if one["partition"] is None else f", partition {one['partition']}, offset {one['offset']}"
        told.append(f"{one['kind']}: key {one['key']!r}{place}")
    return told


def tables_of(result: JobResult) -> list[Table]:
    """Return what the page shows of a step; nothing of a step of another area."""
    if isinstance(result, PreflightResult):
        rows = tuple((check.name, check.status, check.found, check.hint) for check in result.checks)
        return [_table("What was looked at", ("Thing", "State", "Found", "To do"), rows)]
    if isinstance(result, DrainResult):
        parts = ((one.partition, one.begin, one.stop, one.stop - one.begin, one.lost) for one in result.partitions)
        return [_table("Offsets of the run", ("#Partition", "#From", "#Up to", "#Offsets", "#Lost"), tuple(parts))]
    if isinstance(result, ReconcileResult):
        counts = tuple((one.partition, one.topic, one.archive, one.expired) for one in result.partitions)
        tables = [_table("Topic and archive", ("#Partition", "#Topic", "#Archive", "#Expired in the topic"), counts)]
        if result.examples:
            found = tuple((one["kind"], one["partition"], one["offset"], one["key"]) for one in result.examples)
            tables.append(_table("Differences", ("Kind", "#Partition", "#Offset", "Key"), found))
        return tables
    return []


def _table(title: str, columns: tuple[str, ...], rows: tuple[tuple[Any, ...], ...]) -> Table:
    return Table(title, columns, rows[:_MOST_ROWS], max(len(rows) - _MOST_ROWS, 0))


__all__ = ["Table", "failure_text", "preflight_reasons", "reconcile_reasons", "tables_of"]
