# SPDX-License-Identifier: Apache-2.0
"""Who may change a table: the lease document, and the decision whether it may be taken."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime

from airflow_dataops.core.model import Model


class Holder(Model):
    """The process that holds a lease.

    Attributes:
        host: Names the machine, its start and the process namespace: equal only where process ids mean the same.
        process: Process id.
        started: When the process started, as the system counts it: a process id alone may be another's by now.
        what: Pipeline and run, for people.
    """

    host: str
    process: int
    started: str
    what: str


class LeaseState(Model):
    """A lease file. It is never deleted, so that the token only grows.

    Attributes:
        table: Path of the table.
        token: Number of the newest acquisition.
        holder: Who holds it; None where it is free.
        expires_at: Until when it counts without being renewed.
        pending: Path of the commit record that is in force and not finished; None for none.
    """

    table: str
    token: int = 0
    holder: Holder | None = None
    expires_at: AwareDatetime | None = None
    pending: str | None = None

    def taken(self, holder: Holder, now: datetime, seconds: float, step: int = 1) -> LeaseState:
        """Return the state after ``holder`` took the lease; a pending commit stays.

        Args:
            holder: Who takes it.
            now: The time.
            seconds: How long it counts without being renewed.
            step: What the token grows by.
        """
        return self.model_copy(
            update={"token": self.token + step, "holder": holder, "expires_at": now + timedelta(seconds=seconds)}
        )


def may_take(
    state: LeaseState, now: datetime, holder_alive: bool | None
) -> Literal["free", "expired", "holder is dead"] | None:
    """Return why a lease may be taken; None where it may not.

    Args:
        state: The lease as it is.
        now: The time.
        holder_alive: Whether the holder's process runs; None where that cannot be known from here.
    """
    if state.holder is None or state.expires_at is None:
        return "free"
    if holder_alive is False:
        return "holder is dead"
    return "expired" if state.expires_at <= now else None
