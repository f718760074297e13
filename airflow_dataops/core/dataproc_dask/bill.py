# SPDX-License-Identifier: Apache-2.0
"""What a run took and cost, from what the machine remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from airflow_dataops.core.dataproc_dask.budget import RateCard, actual_cost
from airflow_dataops.core.dataproc_dask.observation import JOB_ENDED
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import State


def seconds_by_phase(state: State, now: datetime) -> dict[str, float]:
    """Return the seconds of ``create`` (until a cluster ran), ``queue`` (until the job ran), ``run``, ``delete`` and ``total``.

    A phase that was not reached is missing.

    Args:
        state: What is remembered at the end.
        now: The time of the end.
    """
    ready = max((life.ready_at for life in state.lives if life.ready_at), default=None)
    gone = max((life.gone_at for life in state.lives if life.gone_at), default=None)
    ended = state.job_since if state.job_state in JOB_ENDED else None
    lengths = {
        "create": (state.began_at, ready),
        "queue": (ready, state.runs_since),
        "run": (state.runs_since, ended),
        "delete": (ended, gone),
        "total": (state.began_at, now),
    }
    return {
        name: max(0.0, (end - begin).total_seconds())
        for name, (begin, end) in lengths.items()
        if begin is not None and end is not None
    }


def cost(
    run: DaskRun,
    state: State,
    card: RateCard,
    now: datetime,
    histories: Mapping[str, Sequence[tuple[str, datetime]]] | None = None,
) -> Decimal:
    """Return what the clusters of this try cost so far; each counts from its request until it was seen to be gone.

    Args:
        run: What was wanted.
        state: What is remembered.
        card: Prices.
        now: Until when a cluster counts that is still there.
        histories: UUID -> Google's own states of that cluster and when each began, where they were read. They are more exact than what is
            remembered: of a cluster that was stopped in between, for instance.

    Raises:
        SpecError: The card has no price for a machine or disk type (``RATE_MISSING``).
    """
    lives = []
    for life in state.lives:
        if life.uuid:
            ready = [("RUNNING", life.ready_at)] if life.ready_at else []
            seen = (histories or {}).get(life.uuid) or [("CREATING", life.asked_at), *ready]
            lives.append((seen, life.gone_at or now))
    return actual_cost(run.cluster, card, lives)
