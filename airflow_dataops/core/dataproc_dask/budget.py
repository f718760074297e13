# SPDX-License-Identifier: Apache-2.0
"""What a cluster costs: at worst before it is made, and in fact afterwards. Prices come from the user's rate card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Annotated

from pydantic import Field

from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, Disk
from airflow_dataops.core.durations import Duration, told
from airflow_dataops.core.errors import SpecError, unknown_name
from airflow_dataops.core.model import Model

Amount = Decimal
_HOUR = Decimal(3600)
_CENT = Decimal("0.01")


class MachineRate(Model):
    """Price of a machine type.

    Attributes:
        vcpus: Its vCPUs.
        hourly: Price of an hour.
        spot_hourly: Price of an hour as a spot machine; None counts the full price.
    """

    vcpus: int = Field(ge=1)
    hourly: Decimal = Field(ge=0)
    spot_hourly: Decimal | None = Field(default=None, ge=0)


class RateCard(Model):
    """Prices of one region, as the user keeps them in YAML.

    Attributes:
        currency: ``USD``.
        as_of: Day on which they were looked up.
        machines: Machine type -> price.
        dataproc_vcpu_hour: Dataproc's own price of a vCPU-hour.
        disk_gb_month: Disk type -> price of a GB-month.
        local_ssd_gb_month: Price of a GB-month of local SSD.
        hours_per_month: Hours by which a month's price is divided.
        minimum: Shortest time that is billed.
    """

    currency: str
    as_of: date | None = None
    machines: dict[str, MachineRate]
    dataproc_vcpu_hour: Decimal = Field(ge=0)
    disk_gb_month: dict[str, Annotated[Decimal, Field(ge=0)]]
    local_ssd_gb_month: Decimal | None = Field(default=None, ge=0)
    hours_per_month: int = Field(default=730, ge=1)
    minimum: Duration = timedelta(minutes=1)


class Estimate(Model):
    """Most that one cluster can cost.

    Attributes:
        hourly: Price of an hour with all machines that it may have.
        lifetime: Age at which Google deletes it.
        total: Both multiplied, rounded up to the cent.
        limit: The policy's budget.
        currency: As in the rate card.
    """

    hourly: Decimal
    lifetime: timedelta
    total: Decimal
    limit: Decimal | None
    currency: str

    @property
    def over(self) -> bool:
        """True where the budget would not do."""
        return self.limit is not None and self.total > self.limit

    @property
    def sentence(self) -> str:
        """The estimate for people."""
        limit = "" if self.limit is None else f"; the budget is {self.limit} {self.currency}"
        return f"at worst {self.total} {self.currency} ({self.hourly:.4f} an hour for {told(self.lifetime)}){limit}"


def worst_case(run: DaskRun, card: RateCard) -> Estimate:
    """Return the most that a cluster of the run can cost: its largest size, until Google deletes it.

    Attempts that fail are deleted before the next one is made, so they overlap in nothing but their end.

    Raises:
        SpecError: The card has no price for a machine or disk type (``RATE_MISSING``).
    """
    hourly = hourly_rate(run.cluster, card)
    total = (hourly * _seconds(run.lifetime) / _HOUR).quantize(_CENT, ROUND_CEILING)
    return Estimate(hourly=hourly, lifetime=run.lifetime, total=total, limit=run.policy.budget, currency=card.currency)


def hourly_rate(cluster: ClusterSpec, card: RateCard) -> Decimal:
    """Return the price of an hour with as many machines as the cluster may have, each of its dearest type.

    Raises:
        SpecError: The card has no price for a machine or disk type (``RATE_MISSING``).
    """
    scaling, secondary = cluster.autoscaling, cluster.secondary
    primary = max(cluster.workers.count, scaling.max_workers if scaling else 0)
    rate = _node(card, [cluster.master.machine_type], cluster.master.disk, spot=False)
    rate += primary * _node(card, [cluster.workers.machine_type], cluster.workers.disk, spot=False)
    count = max(secondary.count if secondary else 0, scaling.max_secondary_workers if scaling else 0)
    if not count:
        return rate
    choices = [kind for choice in secondary.choices for kind in choice.machine_types] if secondary else []
    disk = secondary.disk if secondary else cluster.workers.disk
    kinds = choices or [cluster.workers.machine_type]
    spot = secondary is not None and secondary.preemptibility != "NON_PREEMPTIBLE"
    standard = min(count, secondary.standard_base if secondary else 0)
    return (
        rate
        + standard * _node(card, kinds, disk, spot=False)
        + (count - standard) * _node(card, kinds, disk, spot=spot)
    )


def disks_hourly_rate(cluster: ClusterSpec, card: RateCard) -> Decimal:
    """Return the price of an hour of the disks alone, which a stopped cluster still costs.

    Raises:
        SpecError: The card has no price for a disk type (``RATE_MISSING``).
    """
    rate = _disk(card, cluster.master.disk) + cluster.workers.count * _disk(card, cluster.workers.disk)
    return rate + (cluster.secondary.count * _disk(card, cluster.secondary.disk) if cluster.secondary else 0)


def billed_seconds(
    history: Sequence[tuple[str, datetime]], gone_at: datetime, minimum: timedelta = timedelta(minutes=1)
) -> dict[str, float]:
    """Return the seconds that are billed, by state; those of a stopped cluster stand under ``STOPPED``.

    Args:
        history: States and when each began, in any order (``status_history`` and the status itself).
        gone_at: When the cluster was seen to be gone.
        minimum: Shortest time that is billed; what is missing to it is added to the first state.
    """
    ordered = sorted(history, key=lambda step: step[1])
    ends = [*(at for _, at in ordered[1:]), gone_at]
    seconds: dict[str, float] = {}
    for (state, begin), end in zip(ordered, ends, strict=False):
        seconds[state] = seconds.get(state, 0.0) + max(0.0, (min(end, gone_at) - begin).total_seconds())
    missing = minimum.total_seconds() - sum(length for state, length in seconds.items() if state != "STOPPED")
    if ordered and missing > 0:
        seconds[ordered[0][0]] += missing
    return seconds


def actual_cost(
    cluster: ClusterSpec, card: RateCard, lives: Iterable[tuple[Sequence[tuple[str, datetime]], datetime]]
) -> Decimal:
    """Return what the run's clusters cost together; an upper end where autoscaling had fewer machines than it may.

    Args:
        cluster: What each was made of.
        card: Prices.
        lives: Of each cluster its states with their beginnings, and when it was gone.

    Raises:
        SpecError: The card has no price for a machine or disk type (``RATE_MISSING``).
    """
    running, stopped = hourly_rate(cluster, card), disks_hourly_rate(cluster, card)
    total = Decimal(0)
    for history, gone_at in lives:
        for state, seconds in billed_seconds(history, gone_at, card.minimum).items():
            total += (stopped if state == "STOPPED" else running) * Decimal(str(seconds)) / _HOUR
    return total.quantize(Decimal("0.0001"), ROUND_CEILING)


def _node(card: RateCard, kinds: Sequence[str], disk: Disk, *, spot: bool) -> Decimal:
    return max(_machine(card, kind, spot=spot) for kind in kinds) + _disk(card, disk)


def _machine(card: RateCard, kind: str, *, spot: bool) -> Decimal:
    name = kind.rsplit("/", 1)[-1]
    rate = card.machines.get(name)
    if rate is None:
        raise unknown_name("machine type of the rate card", name, card.machines, code="RATE_MISSING")
    price = rate.spot_hourly if spot and rate.spot_hourly is not None else rate.hourly
    return price + rate.vcpus * card.dataproc_vcpu_hour


def _disk(card: RateCard, disk: Disk) -> Decimal:
    price = card.disk_gb_month.get(disk.type)
    if price is None:
        raise unknown_name("disk type of the rate card", disk.type, card.disk_gb_month, code="RATE_MISSING")
    month = price * disk.size_gb
    if disk.local_ssds:
        if card.local_ssd_gb_month is None:
            raise SpecError(
                "the rate card has no local_ssd_gb_month, and the machines have local SSDs", code="RATE_MISSING"
            )
        month += card.local_ssd_gb_month * 375 * disk.local_ssds
    return month / card.hours_per_month


def _seconds(length: timedelta) -> Decimal:
    return Decimal(str(length.total_seconds()))
