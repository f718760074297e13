# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_dataops.core.dataproc_dask.budget import RateCard, actual_cost, billed_seconds, hourly_rate, worst_case
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.errors import SpecError
from tests.unit.core.dataproc_dask.samples import CARD, NOW, document

NODE = Decimal("0.25")  # machine, four vCPUs of Dataproc, and 100 GB of disk for an hour


def run(budget: str | None = None, **cluster: Any) -> DaskRun:
    whole = document(budget=budget)
    whole["cluster"] |= cluster
    return DaskRun.model_validate(whole)


def minutes(*ends: tuple[str, float]) -> list[tuple[str, datetime]]:
    return [(state, NOW + timedelta(minutes=end)) for state, end in ends]


def test_an_hour_is_every_machine_its_disk_and_dataproc() -> None:
    assert hourly_rate(run().cluster, CARD) == 3 * NODE


def test_secondary_workers_count_as_their_dearest_type() -> None:
    choices = [{"machine_types": ["n2-standard-4", "n2-standard-8"]}]
    spot = run(secondary={"count": 2, "choices": choices}).cluster
    assert hourly_rate(spot, CARD) == 3 * NODE + 2 * (Decimal("0.10") + Decimal("0.08") + Decimal("0.01"))
    mixed = run(secondary={"count": 2, "choices": choices, "standard_base": 1}).cluster
    assert hourly_rate(mixed, CARD) - hourly_rate(spot, CARD) == Decimal("0.30")


def test_autoscaling_counts_as_its_largest_size() -> None:
    policy = {"policy_uri": "projects/p/regions/r/autoscalingPolicies/a", "max_workers": 10, "max_secondary_workers": 5}
    assert hourly_rate(run(runtime="yarn", autoscaling=policy).cluster, CARD) == 16 * NODE


def test_the_worst_case_is_the_whole_life_at_the_full_rate() -> None:
    estimate = worst_case(run(budget="2.99", auto_delete_ttl="4h"), CARD)
    assert estimate.total == Decimal("3.00")
    assert estimate.over
    assert "3.00 USD" in estimate.sentence


def test_a_budget_that_just_does_is_not_over() -> None:
    assert not worst_case(run(budget="3.00", auto_delete_ttl="4h"), CARD).over
    assert not worst_case(run(auto_delete_ttl="4h"), CARD).over


@pytest.mark.parametrize(
    "cluster",
    [
        {"master": {"machine_type": "n9"}},
        {"master": {"disk": {"type": "tape"}}},
        {"master": {"disk": {"local_ssds": 1}}},
    ],
)
def test_a_price_that_the_card_does_not_have_is_an_error(cluster: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as caught:
        worst_case(run(**cluster), CARD)
    assert caught.value.code == "RATE_MISSING"


def test_a_second_is_billed_as_a_second() -> None:
    billed = billed_seconds(
        minutes(("CREATING", 0), ("RUNNING", 2), ("DELETING", 5)), NOW + timedelta(minutes=6, seconds=1)
    )
    assert billed == {"CREATING": 120, "RUNNING": 180, "DELETING": 61}


def test_a_minute_is_the_least() -> None:
    assert billed_seconds(minutes(("CREATING", 0)), NOW + timedelta(seconds=10)) == {"CREATING": 60}


def test_a_cluster_of_which_nothing_is_known_costs_nothing() -> None:
    assert billed_seconds([], NOW) == {}


def test_a_stopped_cluster_costs_its_disks() -> None:
    lives = [(minutes(("CREATING", 0), ("STOPPED", 60)), NOW + timedelta(hours=2))]
    assert actual_cost(run().cluster, CARD, lives) == Decimal("0.78")


def test_all_attempts_are_paid() -> None:
    life = (minutes(("CREATING", 0)), NOW + timedelta(hours=1))
    assert actual_cost(run().cluster, CARD, [life, life]) == Decimal("1.50")


@given(st.lists(st.floats(0, 600), min_size=1, max_size=6), st.floats(0, 600))
def test_no_second_is_billed_twice(starts: list[float], end: float) -> None:
    history = [(f"S{n}", NOW + timedelta(minutes=at)) for n, at in enumerate(starts)]
    gone = NOW + timedelta(minutes=max([*starts, end]))
    whole = max((gone - NOW - timedelta(minutes=min(starts))).total_seconds(), 60.0)
    assert sum(billed_seconds(history, gone).values()) == pytest.approx(whole, abs=1e-3)


def test_the_shortest_time_that_is_billed_is_written_like_any_other_length() -> None:
    assert RateCard.model_validate({**CARD.model_dump(), "minimum": "2m"}).minimum == timedelta(minutes=2)


@pytest.mark.parametrize("change", [{"minimum": "-1m"}, {"disk_gb_month": {"pd-balanced": -1}}])
def test_a_price_or_time_below_nothing_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RateCard.model_validate({**CARD.model_dump(), **change})
