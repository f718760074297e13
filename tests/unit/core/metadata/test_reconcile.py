# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.metadata.archive import row_of
from airflow_dataops.core.metadata.dead_letter import Record
from airflow_dataops.core.metadata.event import CHECK
from airflow_dataops.core.metadata.faults import Reason
from airflow_dataops.core.metadata.reconcile import (
    Difference,
    Entry,
    Kind,
    Tally,
    Wanted,
    by_key,
    by_offset,
    entry_of,
    in_offset_order,
    merged,
    wanted_of,
)
from tests.unit.core.metadata.events import stored

entries = st.dictionaries(st.integers(0, 12), st.tuples(st.sampled_from("ab"), st.sampled_from("12")), max_size=10)
events = st.lists(
    st.builds(Wanted, st.sampled_from("abcd"), st.sampled_from("123"), st.integers(0, 1), st.integers(0, 9)),
    max_size=12,
)
stores = st.dictionaries(st.sampled_from("abcde"), st.sampled_from("0123"), max_size=5)


def listed(found: dict[int, tuple[str, str]]) -> list[Entry]:
    return [Entry(offset, *found[offset]) for offset in sorted(found)]


def compared(
    topic: list[Entry], archive: list[Entry], start: int = 0, stop: int = 100
) -> tuple[list[Difference], Tally]:
    tally = Tally()
    return list(by_offset(0, topic, archive, start=start, stop=stop, tally=tally)), tally


@given(entries, entries, st.integers(0, 13), st.integers(0, 13))
def test_every_difference_of_an_offset_is_told_once(
    topic: dict[int, tuple[str, str]], archive: dict[int, tuple[str, str]], start: int, stop: int
) -> None:
    topic = {offset: one for offset, one in topic.items() if offset >= start}
    found, tally = compared(listed(topic), listed(archive), start, stop)
    wanted = {}
    for offset in range(stop):
        here, there = topic.get(offset), archive.get(offset)
        if here and there and here != there:
            wanted[offset] = Kind.OTHER_IN_ARCHIVE
        elif here and not there:
            wanted[offset] = Kind.NOT_IN_ARCHIVE
        elif there and not here and offset >= start:
            wanted[offset] = Kind.NOT_IN_TOPIC
    assert {one.offset: one.kind for one in found} == wanted
    assert len(found) == len(wanted) == sum(tally.differences.values())
    assert tally.is_equal == (not wanted)
    assert tally.topic[0] == sum(offset < stop for offset in topic)
    assert tally.archive[0] == sum(offset < stop for offset in archive)
    assert tally.expired[0] == sum(offset < min(start, stop) for offset in archive)


def test_a_row_twice_in_the_archive_is_a_difference_even_where_both_are_right() -> None:
    row = Entry(3, "a", "1")
    found, tally = compared([row], [row, row, Entry(3, "a", "2")])
    assert [one.kind for one in found] == [Kind.OTHER_IN_ARCHIVE, Kind.TWICE_IN_ARCHIVE, Kind.TWICE_IN_ARCHIVE]
    assert (tally.archive[0], tally.topic[0]) == (3, 1)


def test_what_expired_in_the_topic_is_counted_and_no_difference() -> None:
    found, tally = compared([Entry(5, "a", "1")], [Entry(3, "a", "1"), Entry(5, "a", "1")], start=5)
    assert (found, tally.expired) == ([], {0: 1})


@given(events, stores)
def test_every_difference_of_a_key_is_told_once(wanted: list[Wanted], store: dict[str, str]) -> None:
    tally = Tally()
    found = list(by_key(iter(sorted(wanted)), iter(sorted(store.items())), tally=tally))
    newest: dict[str, str] = {}
    for event in wanted:
        newest[event.key] = max(newest.get(event.key, ""), event.order)
    model = {}
    for key in newest.keys() | store.keys():
        here, there = newest.get(key), store.get(key)
        if here is None:
            model[key] = Kind.ONLY_IN_STORE
        elif there is None:
            model[key] = Kind.NOT_IN_STORE
        elif there != here:
            model[key] = Kind.OLDER_IN_STORE if there < here else Kind.NEWER_IN_STORE
    assert {one.key: one.kind for one in found} == model
    assert len(found) == len(model)
    assert (tally.keys, tally.stored) == (len(newest), len(store))
    for one in found:
        assert (one.partition is None) == (one.kind is Kind.ONLY_IN_STORE)
        assert one.offset is None or any(
            (w.key, w.order, w.partition, w.offset) == (one.key, one.expected, one.partition, one.offset)
            for w in wanted
        )


def test_what_a_check_posted_may_be_gone_from_the_store_and_nowhere_else() -> None:
    tally = Tally()
    mine = Wanted(f"{CHECK}1", "5", 0, 7)
    assert list(by_key([mine], [], tally=tally)) == []
    assert (tally.removed, tally.is_equal) == (1, True)
    assert [one.kind for one in by_key([mine], [(mine.key, "4")], tally=Tally())] == [Kind.OLDER_IN_STORE]


def test_topic_and_archive_together_are_what_a_store_should_have() -> None:
    topic, archive = [Wanted("b", "2", 0, 9)], [Wanted("a", "1", 0, 1), Wanted("b", "1", 0, 2)]
    assert list(by_key(merged(topic, archive), [("a", "1"), ("b", "2")], tally=Tally())) == []
    hours = [Entry(1, "a", "x"), Entry(4, "a", "x")], [Entry(2, "a", "x"), Entry(3, "a", "x")]
    assert [one.offset for one in in_offset_order(*hours)] == [1, 2, 3, 4]


def test_a_stream_out_of_order_is_refused_and_not_compared() -> None:
    one, two = Entry(1, "a", "1"), Entry(2, "a", "1")
    for topic, archive in (([two, one], []), ([], [two, one]), ([one, one], [])):
        with pytest.raises(ValueError, match="in order"):
            compared(topic, archive)
    for wanted, store in (
        ([Wanted("b", "1", 0, 0), Wanted("a", "1", 0, 0)], []),
        ([], [("b", "1"), ("a", "1")]),
        ([], [("a", "1"), ("a", "1")]),
    ):
        with pytest.raises(ValueError, match="in order"):
            list(by_key(wanted, store, tally=Tally()))


def test_no_more_than_a_few_rows_are_held() -> None:
    read = {"topic": 0, "archive": 0}

    def stream(name: str, skip: int) -> Iterator[Entry]:
        for offset in range(1_000_000_000):
            read[name] += 1
            if offset != skip:
                yield Entry(offset, "k", "c")

    found = by_offset(0, stream("topic", -1), stream("archive", 100), start=0, stop=10**9, tally=Tally())
    assert next(found).offset == 100
    assert max(read.values()) <= 105

    keys = (Wanted(f"{number:09d}", "1", 0, number) for number in range(1_000_000_000))
    store = ((f"{number:09d}", "1") for number in range(1_000_000_000) if number != 50)
    assert next(by_key(keys, store, tally=Tally())).offset == 50


def test_a_record_and_its_row_are_the_same_entry_and_any_other_bytes_are_not() -> None:
    record = Record("gpu-metadata", 2, 7, -1, b"k\xff", None, (("h", None), ("h", b"")))
    for outcome in (stored("a"), Reason.INVALID):
        assert entry_of(row_of(record, outcome)) == entry_of(record)
    others = [
        replace(record, key=None),
        replace(record, value=b""),
        replace(record, timestamp=0),
        replace(record, headers=(("h", b""), ("h", None))),
    ]
    assert len({entry_of(one).content for one in [record, *others]}) == 5


def test_the_store_should_have_what_was_stored_and_no_dead_record() -> None:
    record = Record("gpu-metadata", 2, 7, 0, b"a", b"{}")
    event = stored("a")
    row = row_of(record, event)
    assert (row.status, row.enriched, row.raw) == ("stored", event.body, (0, b"a", b"{}", ()))
    wanted = wanted_of(2, row)
    assert wanted == Wanted("a", event.order, 2, 7)
    assert list(by_key([wanted], [(event.key, event.order)], tally=Tally())) == []
    assert wanted_of(2, row_of(record, Reason.NOT_JSON)) is None
