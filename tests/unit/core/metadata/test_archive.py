# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random as shuffling
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.metadata import archive
from airflow_dataops.core.metadata.archive import BLOCK, ArchiveConflict, ObjectId, Row

HOUR = 3_600_000
T0 = 1_769_860_800_000  # 2026-01-31T12:00:00Z
SIZE = 10  # of a block, in the tests of chunks
TOPIC, PARTITION = "gpu-metadata", 2

Objects = dict[ObjectId, tuple[Row, ...]]


def row(offset: int, hour: float = 0, order: str = "1") -> Row:
    """A record that was stored; ``order`` says how it was read."""
    return Row(
        offset,
        int(T0 + hour * HOUR),
        b"k",
        f"value {offset}".encode(),
        (("h", None),),
        order=order,
        event_key="k",
        enriched=order.encode(),
    )


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    """A partition: offsets with gaps, times that may go back, some records dead."""
    offsets = draw(st.lists(st.integers(0, 45), unique=True, max_size=25))
    rows = [row(offset, draw(st.sampled_from([0, 0, 0.5, 1, 25, -1]))) for offset in sorted(offsets)]
    return [
        replace(one, status="dead", order="", event_key="", enriched=None, reason="INVALID")
        if draw(st.booleans())
        else one
        for one in rows
    ]


def write(objects: Objects, batch: Iterable[Row]) -> int:
    """Archive a batch as the worker does; returns how many objects were written."""
    written = 0
    for place, rows in archive.touched(TOPIC, PARTITION, batch, block=SIZE).items():
        made = archive.superset(place, objects.get(place, ()), rows, block=SIZE)
        if made.changed:
            objects[place] = made.rows
            written += 1
    return written


def chunks(rows: list[Row], cuts: list[int]) -> list[list[Row]]:
    ends = sorted({min(cut, len(rows)) for cut in cuts} | {len(rows)})
    return [rows[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@given(
    logs(),
    st.lists(st.integers(0, 25), max_size=5),
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=5),
    st.randoms(),
)
def test_any_cutting_and_any_replay_ends_in_the_same_objects(
    log: list[Row], cuts: list[int], replays: list[tuple[int, int]], random: shuffling.Random
) -> None:
    plain: Objects = {}
    write(plain, log)
    batches = [*chunks(log, cuts), *(log[begin:end] for begin, end in replays)]
    random.shuffle(batches)
    cut: Objects = {}
    for batch in batches:
        write(cut, batch)
    assert cut == plain
    assert write(cut, log) == 0


@given(logs())
def test_each_record_lies_in_one_object_of_its_block_and_hour(log: list[Row]) -> None:
    objects: Objects = {}
    write(objects, log)
    assert sorted((one for rows in objects.values() for one in rows), key=lambda one: one.offset) == log
    for place, rows in objects.items():
        assert [one.offset for one in rows] == sorted({one.offset for one in rows})
        assert {one.offset // SIZE * SIZE for one in rows} == {place.start}
        assert {one.timestamp // HOUR for one in rows} == {place.hour}


@given(logs(), st.lists(st.integers(0, 25), max_size=6))
def test_an_object_never_loses_a_row(log: list[Row], cuts: list[int]) -> None:
    objects: Objects = {}
    for batch in chunks(log, cuts):
        before = dict(objects)
        write(objects, batch)
        assert all(set(rows) <= set(objects[place]) for place, rows in before.items())


@given(
    st.permutations(
        [row(3, order=order) for order in ("1", "2", "3")]
        + [replace(row(3), status="dead", order="", event_key="", enriched=None, reason="INVALID")]
    )
)
def test_of_two_readings_of_a_record_the_later_transforms_stay_in_any_order(readings: list[Row]) -> None:
    objects: Objects = {}
    for reading in readings:
        write(objects, [reading])
    assert list(objects.values()) == [(row(3, order="3"),)]


@pytest.mark.parametrize(
    ("offset", "timestamp", "key"),
    [
        (0, T0, "topic=gpu-metadata/date=2026-01-31/hour=12/00002-00000000000000000000.parquet"),
        (9_999, T0 + HOUR - 1, "topic=gpu-metadata/date=2026-01-31/hour=12/00002-00000000000000000000.parquet"),
        (9_999, T0 + HOUR, "topic=gpu-metadata/date=2026-01-31/hour=13/00002-00000000000000000000.parquet"),
        (10_000, T0 + 12 * HOUR, "topic=gpu-metadata/date=2026-02-01/hour=00/00002-00000000000000010000.parquet"),
        (2**63 - 1, -1, "topic=gpu-metadata/date=1970-01-01/hour=00/00002-09223372036854770000.parquet"),
        (5, 2**63 - 1, "topic=gpu-metadata/date=9999-12-31/hour=23/00002-00000000000000000000.parquet"),
        (5, -(2**63), "topic=gpu-metadata/date=1970-01-01/hour=00/00002-00000000000000000000.parquet"),
    ],
)
def test_the_key_of_a_record(offset: int, timestamp: int, key: str) -> None:
    place = archive.object_of(TOPIC, PARTITION, offset, timestamp)
    assert place.key == key
    assert archive.parse_key(key) == place


@given(
    st.from_regex(r"[A-Za-z0-9._-]{1,30}", fullmatch=True),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1),
)
def test_a_key_leads_back_to_its_object(topic: str, partition: int, offset: int, timestamp: int) -> None:
    place = archive.object_of(topic, partition, offset, timestamp)
    assert archive.parse_key(place.key) == place
    assert place.start <= offset < place.start + BLOCK


@pytest.mark.parametrize(
    "key",
    ["", "x", "topic=a/date=2026-13-01/hour=00/00002-00000000000000010000.parquet", "topic=a/date=2026-01-01/hour=24/00002-00000000000000010000.parquet",
     "topic=a/date=2026-01-01/hour=00/2-00000000000000010000.parquet", "topic=a/date=2026-01-01/hour=00/0000000002-00000000000000010000.parquet",
     "topic=a/date=2026-01-01/hour=00/00002-00000000000000010000.parquet.tmp"],
)  # fmt: skip
def test_a_foreign_key_is_no_object(key: str) -> None:
    assert archive.parse_key(key) is None


@pytest.mark.parametrize(
    ("topic", "partition", "offset"), [("a/b", 0, 0), ("", 0, 0), ("a", -1, 0), ("a", 0, -1001), ("a" * 250, 0, 0)]
)
def test_what_is_no_place_of_a_record_has_none(topic: str, partition: int, offset: int) -> None:
    with pytest.raises(ValueError, match="no place of a record"):
        archive.object_of(topic, partition, offset, 0)


@pytest.mark.parametrize("change", [{"value": b"other"}, {"key": None}, {"headers": ()}, {"timestamp": T0 + 1}])
def test_a_topic_that_was_made_anew_is_not_mixed_with_the_old_one(change: dict[str, object]) -> None:
    place = archive.object_of(TOPIC, PARTITION, 3, T0)
    other = replace(row(3), **change)  # type: ignore[arg-type]  # the values are right
    for there, new in (([row(3)], [other]), ([], [row(3), other]), ([row(3), other], [])):
        with pytest.raises(ArchiveConflict, match=r"offset 3 of gpu-metadata/2 has two contents") as told:
            archive.superset(place, there, new)
        assert told.value.details["offset"] == 3


def test_a_row_of_another_object_is_not_taken() -> None:
    place = archive.object_of(TOPIC, PARTITION, 3, T0)
    for wrong in (row(10_000), row(3, hour=1)):
        with pytest.raises(ArchiveConflict):
            archive.superset(place, [], [wrong])


def test_an_object_with_a_row_twice_is_written_anew() -> None:
    place = archive.object_of(TOPIC, PARTITION, 3, T0)
    made = archive.superset(place, [row(3), row(3)], [])
    assert (made.rows, made.changed) == ((row(3),), True)


def test_the_tail_is_written_until_its_block_is_committed() -> None:
    place = archive.object_of(TOPIC, PARTITION, 12_345, T0)
    assert [archive.sealed(place, committed) for committed in (12_346, 19_999, 20_000, 10**9)] == [
        False,
        False,
        True,
        True,
    ]


def test_contents_are_compared_by_bytes() -> None:
    assert archive.content([row(1), row(2)]) == archive.content([row(1), row(2)])
    assert archive.content([row(1)]) != archive.content([replace(row(1), key=None)])
    assert archive.content([replace(row(1), timestamp=2**63 - 1, headers=(("a", b"\xff"),))])
