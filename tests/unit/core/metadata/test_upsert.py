# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random as shuffling
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.metadata.upsert import NO_ORDER, Stored, fold, merge, stored_of
from tests.unit.core.metadata.events import read, stored

# Few keys, times and values, so that there are repetitions and ties of every kind.
POOL = [
    stored(key, minute, value, revision, extra)
    for key in ("a", "b")
    for minute in (0, 1)
    for value in (0.0, 1.0)
    for revision, extra in ((0, ""), (1, ""), (1, "x"))
]
one = st.sampled_from(POOL)
of_a = st.sampled_from([event for event in POOL if event.key == "a"])
deliveries = st.lists(one, max_size=25)


def store_of(events: list[Stored], before: dict[str, Stored] | None = None) -> dict[str, Stored]:
    store = dict(before or {})
    for event in events:
        store[event.key] = merge(store.get(event.key), event)
    return store


@given(deliveries, st.randoms(), st.lists(st.integers(0, 24), max_size=10))
def test_any_order_and_any_repetition_makes_the_same_store(
    events: list[Stored], random: shuffling.Random, again: list[int]
) -> None:
    other = [*events, *(events[place] for place in again if place < len(events))]
    random.shuffle(other)
    assert store_of(other) == store_of(events)


@given(deliveries, st.integers(0, 25))
def test_a_replay_from_anywhere_changes_nothing(events: list[Stored], place: int) -> None:
    store = store_of(events)
    assert store_of(events[place:], before=store) == store


@given(of_a, of_a, of_a)
def test_merging_is_commutative_associative_and_idempotent(a: Stored, b: Stored, c: Stored) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a
    assert merge(None, a) == a


@given(deliveries, deliveries)
def test_a_batch_that_was_folded_is_as_good_as_its_events(first: list[Stored], second: list[Stored]) -> None:
    assert store_of([*fold(first).values(), *fold(second).values()]) == store_of(first + second)
    assert fold(first) == store_of(first)


def test_an_older_event_never_overwrites_a_newer_one() -> None:
    for revision in (0, 999_999):
        older, newer = stored("a", 0, revision=revision), stored("a", 1)
        assert merge(newer, older) is newer
        assert merge(older, newer) is newer


def test_the_same_event_enriched_by_a_later_revision_is_newer() -> None:
    before, after = stored("a", revision=1, extra="z"), stored("a", revision=2, extra="a")
    assert merge(before, after) == merge(after, before) == after


def test_a_tie_is_broken_by_what_was_sent_and_not_by_what_was_made_of_it() -> None:
    a, b = stored("a", value=0.0, revision=1), stored("a", value=1.0, revision=1)
    winner = merge(a, b)
    again = [stored("a", value=value, revision=1, extra="other") for value in (0.0, 1.0)]
    assert merge(*again).order.split("-")[1] == winner.order.split("-")[1]


def test_orders_compare_as_their_parts_do_and_no_order_is_lowest() -> None:
    assert all(event.order > NO_ORDER for event in POOL)
    assert len({len(event.order) for event in [*POOL, stored("a", -29_000_000, revision=999_999)]}) == 1
    assert stored("a", 0, 5.0).order < stored("a", 1, -5.0).order
    assert stored("a", -29_000_000).order < stored("a").order  # of 1970


def test_what_is_stored_says_nothing_of_where_it_came_from() -> None:
    assert stored_of(read(), {"a": 1}, 3) == stored_of(read(), {"a": 1.0}, 3)
    assert stored("a") == stored("a")


@pytest.mark.parametrize("revision", [-1, 10**6])
def test_a_revision_has_bounds(revision: int) -> None:
    with pytest.raises(ValueError, match="revision"):
        stored("a", revision=revision)


def test_two_keys_are_not_merged() -> None:
    wrong: Any = stored("b")
    with pytest.raises(ValueError, match="'a' and 'b'"):
        merge(stored("a"), wrong)
