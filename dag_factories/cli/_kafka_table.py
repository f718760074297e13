# SPDX-License-Identifier: Apache-2.0
"""A verdict on a consumer group as a table for a terminal."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_dataops.core.durations import told

if TYPE_CHECKING:
    from airflow_dataops.core.kafka_health.verdict import GroupVerdict, PartitionVerdict

_COLOURS = {"ok": "32", "warning": "33", "unknown": "35", "critical": "31"}
_HEAD = ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "DELAY", "BURROW", "SEVERITY", "FINDINGS")
_RIGHT = frozenset({"PARTITION", "COMMITTED", "END", "LAG", "DELAY"})


def coloured(is_terminal: bool) -> bool:
    """Tell whether colours are wanted: on a terminal that knows them, and where NO_COLOR is not set."""
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table_of(verdict: GroupVerdict, most: int, *, colours: bool = False) -> str:
    """Return the group's line, its worst partitions and what is wrong, with what to do about each code once.

    Args:
        verdict: How the group does.
        most: Partitions and findings at most.
        colours: Whether severities are coloured.
    """
    members = "members unknown" if verdict.members is None else f"{verdict.members} members"
    lag = "unknown" if verdict.total_lag is None else str(verdict.total_lag)
    at = datetime.fromtimestamp(verdict.taken_at_ms / 1000, UTC).strftime("%H:%M:%S UTC")
    severity = _painted(verdict.severity.value.upper(), verdict.severity.value, colours)
    state = "" if verdict.state.value == "UNKNOWN" else f"{verdict.state.value}, "
    lines = [f"{severity}  group {verdict.group}: {state}{members}, lag {lag}, at {at}"]
    shown = verdict.partitions[:most]
    if shown:
        lines += ["", *_rows([_HEAD, *map(_row, shown)], [part.severity.value for part in shown], colours)]
    if len(verdict.partitions) > most:
        lines.append(f"… and {len(verdict.partitions) - most} partitions more")
    lines += _findings(verdict, most, colours)
    return "\n".join(lines)


def _row(part: PartitionVerdict) -> tuple[str, ...]:
    facts = part.facts
    return (
        facts.topic,
        str(facts.partition),
        "none" if facts.no_commit else _number(facts.committed),
        _number(facts.end),
        "-" if facts.no_commit else _number(facts.waiting),
        "-" if facts.age_ms is None else told(timedelta(seconds=facts.age_ms // 1000)),
        "-" if part.status is None else part.status.value,
        part.severity.value,
        " ".join(dict.fromkeys(one.code.value for one in part.findings)),
    )


def _rows(rows: list[tuple[str, ...]], severities: list[str], colours: bool) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    found = []
    for number, row in enumerate(rows):
        cells = [
            cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            for name, cell, width in zip(_HEAD, row, widths, strict=True)
        ]
        if number:
            at = _HEAD.index("SEVERITY")
            cells[at] = _painted(cells[at], severities[number - 1], colours)
        found.append("  ".join(cells).rstrip())
    return found


def _findings(verdict: GroupVerdict, most: int, colours: bool) -> list[str]:
    found, hinted = [], set()
    for one in verdict.all_findings[:most]:
        found += [
            "",
            f"{_painted(one.severity.value, one.severity.value, colours)} {one.code.value}: {one.message}",
        ]
        if one.code not in hinted:
            found.append(f"  -> {one.hint}")
        hinted.add(one.code)
    left = len(verdict.all_findings) - most
    return [*found, f"… and {left} findings more"] if left > 0 else found


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)


def _painted(text: str, severity: str, colours: bool) -> str:
    return f"\x1b[{_COLOURS[severity]}m{text}\x1b[0m" if colours else text


__all__ = ["coloured", "table_of"]
