# SPDX-License-Identifier: Apache-2.0
"""What the janitors of all areas decide, and how they tell it."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from airflow_dataops.core.durations import told
from airflow_dataops.core.model import Model

STUCK = "STUCK"  # the verdict on what is being deleted for too long, in every area


class Finding(Model):
    """The decision on one thing.

    Attributes:
        name: Its name.
        verdict: Why it is deleted or left alone; each area has verdicts of its own.
        delete: It is to be deleted.
        text: What was seen.
    """

    name: str
    verdict: StrEnum
    delete: bool
    text: str


def length(time: timedelta) -> str:
    """Return a length of time as people read it, in whole minutes from the first one on."""
    whole = int(time.total_seconds())
    return told(timedelta(seconds=whole // 60 * 60 or whole))
