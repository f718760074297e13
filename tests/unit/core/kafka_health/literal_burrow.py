# SPDX-License-Identifier: Apache-2.0
"""Burrow's rules once more, word by word and index by index, as the oracle of the tests; it shares no line with what is tested."""

from __future__ import annotations

from collections.abc import Sequence

Commit = tuple[int, int, int | None]


def literal_status(
    offsets: Sequence[Commit], broker_offsets: Sequence[int], current_lag: int, time_now: int, allowed_lag: int
) -> str:
    """Return the status of a partition with two commits or more."""
    if current_lag > allowed_lag:
        if stopped(offsets, time_now) and not recent_lag_zero(offsets, broker_offsets):
            return "STOP"
        reset = rewind_index(offsets)
        if reset != -1 and not rewind_recovered(offsets, reset):
            return "REWIND"
        if lag_always_above(offsets, allowed_lag):
            if stalled(offsets):
                return "STALL"
            if lag_not_decreasing(offsets):
                return "WARN"
    return "OK"


def stopped(offsets: Sequence[Commit], time_now: int) -> bool:
    first_timestamp = offsets[0][1]
    last_timestamp = offsets[len(offsets) - 1][1]
    return (time_now - last_timestamp) > (last_timestamp - first_timestamp)


def recent_lag_zero(offsets: Sequence[Commit], broker_offsets: Sequence[int]) -> bool:
    last_offset = offsets[len(offsets) - 1][0]
    i = 0
    while i < len(broker_offsets):
        if broker_offsets[i] <= last_offset:
            return True
        i += 1
    return False


def rewind_index(offsets: Sequence[Commit]) -> int:
    i = 1
    while i < len(offsets):
        if offsets[i][0] < offsets[i - 1][0]:
            return i
        i += 1
    return -1


def rewind_recovered(offsets: Sequence[Commit], reset: int) -> bool:
    i = reset
    while i < len(offsets):
        if offsets[i][0] >= offsets[reset - 1][0]:
            return True
        i += 1
    return False


def lag_always_above(offsets: Sequence[Commit], allowed_lag: int) -> bool:
    i = 0
    while i < len(offsets):
        lag = offsets[i][2]
        if lag is not None and lag <= allowed_lag:
            return False
        i += 1
    return True


def stalled(offsets: Sequence[Commit]) -> bool:
    i = 1
    while i < len(offsets):
        if offsets[i][0] != offsets[i - 1][0]:
            return False
        i += 1
    return True


def lag_not_decreasing(offsets: Sequence[Commit]) -> bool:
    last_lag = None
    i = 0
    while i < len(offsets):
        lag = offsets[i][2]
        if lag is not None:
            if last_lag is not None and lag < last_lag:
                return False
            last_lag = lag
        i += 1
    return True


def literal_group(partitions: Sequence[str]) -> str:
    """Return the status of a group."""
    worst = "OK"
    for partition in partitions:
        if partition in ("STOP", "STALL", "REWIND"):
            worst = "ERR"
        elif partition == "WARN" and worst == "OK":
            worst = "WARN"
    return worst
