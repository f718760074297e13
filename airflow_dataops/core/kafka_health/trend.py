# SPDX-License-Identifier: Apache-2.0
"""What a window tells that Burrow's rules do not see: policy ``strict``."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_dataops.core.kafka_health.burrow import Sample

GROWTH_LOOKS = 8  # with fewer, three in a row that are higher by chance are too common
STUCK_LOOKS = 3


def stuck_looks(samples: Sequence[Sample], allowed_lag: int) -> int:
    """Return at how many of the last looks the commit was the same while more waited than may, or nobody knew how much.

    Unlike Burrow's STALL it does not matter what was before, so one look at which all had been read hides nothing.
    """
    count = 0
    for sample in reversed(samples):
        if sample.offset != samples[-1].offset or (sample.lag is not None and sample.lag <= allowed_lag):
            break
        count += 1
    return count


def gone_back(samples: Sequence[Sample]) -> int:
    """Return by how many records the last commit lies before the furthest one of the window; 0 where it does not.

    Burrow looks at the first drop alone: once that is regained, a second one is not seen.
    """
    if not samples:
        return 0
    return max(sample.offset for sample in samples) - samples[-1].offset


def grows(samples: Sequence[Sample], lag: int, allowed_lag: int) -> bool:
    """Tell whether the lag grows, one dip or one look with nothing to read notwithstanding.

    True with 8 known lags or more, where all but one of the newer half, and the lag now, are above the allowed one and above each of
    the older half. Of ten lags in a random order that is 2 in 100.

    Args:
        samples: The window.
        lag: Records that wait now.
        allowed_lag: Most that may.
    """
    lags = [sample.lag for sample in samples if sample.lag is not None]
    if len(lags) < GROWTH_LOOKS:
        return False
    half = len(lags) // 2
    bar = max(allowed_lag, *lags[:half])
    newer = lags[half:]
    return lag > bar and sum(later > bar for later in newer) >= len(newer) - 1


def waited_ms(ends: Sequence[tuple[int, int]], first: int, now_ms: int) -> tuple[int, int | None]:
    """Return for how long the record at an offset has waited, by the looks at the log's end: at least, and at most (None: unknown).

    Args:
        ends: ``(when, end offset)`` of the looks, oldest first.
        first: Offset of the record.
        now_ms: The time.
    """
    there = [at for at, end in ends if end > first]
    not_yet = [at for at, end in ends if end <= first and not (there and at > there[0])]
    at_least = max(0, now_ms - there[0]) if there else 0
    return at_least, max(0, now_ms - not_yet[-1]) if not_yet else None
