# SPDX-License-Identifier: Apache-2.0
"""How a consumer does, told from its last commits: the rules of LinkedIn's Burrow, in Burrow's order.

Source: ``core/internal/evaluator/caching.go`` of Burrow. What these rules cannot see is in
:mod:`~airflow_dataops.core.kafka_health.trend`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple


class WindowStatus(StrEnum):
    """How a partition does, or (the last one) a group; part of the public contract."""

    OK = "OK"
    WARN = "WARN"  # commits advance, and the lag has never become smaller
    STOP = "STOP"  # no commit for longer than the window is long
    STALL = "STALL"  # commits come, and are all the same
    REWIND = "REWIND"  # commits went back, and have not come to where they were
    ERR = "ERR"  # of a group: a partition is in one of the last three


class Sample(NamedTuple):
    """A commit, as it was seen.

    Attributes:
        offset: Committed offset: that of the next record to read.
        timestamp_ms: When it was made, or seen.
        lag: Records that waited behind it; None where nobody knows.
    """

    offset: int
    timestamp_ms: int
    lag: int | None


def evaluate_window(
    samples: Iterable[tuple[int, int, int | None]],
    *,
    end_offsets: Iterable[int],
    current_lag: int | None,
    now_ms: int,
    allowed_lag: int = 0,
) -> WindowStatus:
    """Return how one partition does; never ``ERR``.

    The first rule that holds counts:

    1. The lag is allowed, or there are fewer than two commits, of which no trend can be told: ``OK``.
    2. The last commit is longer ago than the window is long, and no stored end offset shows that all was read then: ``STOP``.
    3. An offset is lower than the one before it, and no later one came up to that again (the first such drop counts): ``REWIND``.
    4. A known lag in the window is allowed: ``OK``.
    5. All offsets are equal: ``STALL``.
    6. No known lag is smaller than the known one before it: ``WARN``.
    7. Else ``OK``.

    Args:
        samples: ``(offset, timestamp_ms, lag)`` of the last commits, oldest first; a negative offset is none, and left out.
        end_offsets: The partition's last end offsets; a negative one is unknown, and left out.
        current_lag: Records that wait now; None where nobody knows, which is judged as more than is allowed and never as 0.
        now_ms: The time.
        allowed_lag: Most records that may wait.
    """
    commits = [Sample(*sample) for sample in samples if sample[0] >= 0]
    if len(commits) < 2 or (current_lag is not None and current_lag <= allowed_lag):
        return WindowStatus.OK
    if _has_stopped(commits, now_ms) and not _had_read_all(commits[-1].offset, end_offsets):
        return WindowStatus.STOP
    if _has_gone_back(commits):
        return WindowStatus.REWIND
    lags = [commit.lag for commit in commits if commit.lag is not None]
    if any(lag <= allowed_lag for lag in lags):
        return WindowStatus.OK
    if all(commit.offset == commits[0].offset for commit in commits):
        return WindowStatus.STALL
    return WindowStatus.WARN if all(lag <= later for lag, later in pairwise(lags)) else WindowStatus.OK


def group_status(partitions: Iterable[WindowStatus]) -> WindowStatus:
    """Return how a group does: ``ERR`` where a partition is in ``STOP``, ``STALL`` or ``REWIND``, else the worst of ``OK`` and ``WARN``."""
    seen = set(partitions)
    if seen - {WindowStatus.OK, WindowStatus.WARN}:
        return WindowStatus.ERR
    return WindowStatus.WARN if WindowStatus.WARN in seen else WindowStatus.OK


def _has_stopped(commits: Sequence[Sample], now_ms: int) -> bool:
    first, last = commits[0].timestamp_ms, commits[-1].timestamp_ms
    return now_ms - last > last - first


def _had_read_all(committed: int, end_offsets: Iterable[int]) -> bool:
    return any(0 <= end <= committed for end in end_offsets)


def _has_gone_back(commits: Sequence[Sample]) -> bool:
    for position, (before, after) in enumerate(pairwise(commits)):
        if after.offset < before.offset:
            return all(later.offset < before.offset for later in commits[position + 2 :])
    return False
