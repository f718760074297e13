# SPDX-License-Identifier: Apache-2.0
"""What a run took and cost, by Google's own account where it was seen in time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.core.dataproc_dask import bill
from airflow_dataops.core.dataproc_dask.budget import RateCard
from airflow_dataops.core.dataproc_dask.observation import ClusterView
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import State
from airflow_dataops.core.machine import CallError, Gone
from airflow_dataops.core.model import Model


class Bill(Model):
    """What a run took and cost.

    Attributes:
        seconds: Seconds of ``create``, ``queue``, ``run``, ``delete`` and ``total``; those that were reached.
        cost: What its clusters cost, an upper end; None without a rate card.
        currency: The rate card's; None without one.
        source: ``status_history`` where Google's account of every cluster was seen, else ``observed``: what the run itself took down.
    """

    seconds: dict[str, float]
    cost: Decimal | None = None
    currency: str | None = None
    source: str = "observed"


def bill_of(
    client: DataprocDaskClient | None, run: DaskRun, state: State, card: RateCard | None, now: datetime
) -> Bill:
    """Return the bill of a run; no call is made for it, a client keeps what it sees of each cluster's ``status_history``.

    Args:
        client: The one that drove the run; None where it is not there any more.
        run: What was wanted.
        state: What is remembered at the end.
        card: Prices; None for none.
        now: The time.

    Raises:
        SpecError: The card has no price for a machine or disk type (``RATE_MISSING``).
    """
    seconds = bill.seconds_by_phase(state, now)
    if card is None:
        return Bill(seconds=seconds)
    histories = client.histories if client is not None else {}
    uuids = {life.uuid for life in state.lives if life.uuid}
    source = "status_history" if uuids and uuids <= set(histories) else "observed"
    cost = bill.cost(run, state, card, now, histories)
    return Bill(seconds=seconds, cost=cost, currency=card.currency, source=source)


async def look_back(client: DataprocDaskClient, state: State) -> None:
    """Read the clusters of a run that are still there and were not seen by this client, one call each, for :func:`bill_of`.

    Worth it after a restart only: whoever drives a run from its beginning has seen them all.
    """
    for life in state.lives:
        if life.uuid and life.gone_at is None and life.uuid not in client.histories:
            read: ClusterView | Gone | CallError = await client.read_cluster(life.name)
            if isinstance(read, CallError):
                return


__all__ = ["Bill", "bill_of", "look_back"]
