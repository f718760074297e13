# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core import pacing
from airflow_dataops.core.dataproc_dask import driver_log
from airflow_dataops.core.dataproc_dask.driver_log import LogCursor, next_read, part_of, part_uri, pieces

lines = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=30), max_size=20)


def read_all(cursor: LogCursor, parts: dict[int, bytes], *, ended: bool, most: int = 9) -> tuple[list[str], LogCursor]:
    """Read as a trigger does at one poll, which tells so many pieces of each read, and goes on behind them."""
    found: list[str] = []
    sizes = {part: len(data) for part, data in parts.items()}
    for _ in range(1000):
        read, cursor = next_read(cursor, sizes, ended=ended)
        if read is None:
            return found, cursor
        before = cursor
        with patch.object(pacing, "PIECE", pacing.LINE + 20):
            some = list(pieces(cursor, read, parts[read.part][read.start : read.start + read.size]))
        for piece in some[:most]:
            found += piece.lines
            cursor = piece.cursor
        if cursor == before:
            return found, cursor
    raise AssertionError("it does not end")


@given(lines, st.lists(st.integers(0, 200), max_size=6), st.lists(st.integers(1, 40), max_size=30), st.data())
def test_every_line_is_told_once(text: list[str], cuts: list[int], growth: list[int], data: st.DataObject) -> None:
    whole = "".join(f"{line}\n" for line in text).encode()
    ends = sorted({0, *(cut for cut in cuts if cut < len(whole)), len(whole)})
    parts = [whole[begin:end] for begin, end in pairwise(ends)] or [b""]
    cursor, found, length, hides = LogCursor(), list[str](), 0, driver_log.PATIENCE
    for step in growth:
        length = min(len(whole), length + step)
        there = {
            number: part[: max(0, length - begin)]
            for number, (part, begin) in enumerate(zip(parts, ends, strict=False))
            if begin <= length
        }
        hidden = data.draw(st.sampled_from([None, *there])) if hides else None
        if hidden is not None:
            hides -= 1
            del there[hidden]
        some, cursor = read_all(
            LogCursor.model_validate_json(cursor.model_dump_json()),
            there,
            ended=False,
            most=data.draw(st.integers(1, 3)),
        )
        found += some
    some, cursor = read_all(cursor, dict(enumerate(parts)), ended=True)
    assert [*found, *some] == whole.decode().splitlines()


def test_a_missing_log_is_waited_for() -> None:
    assert next_read(LogCursor(), {}, ended=False) == (None, LogCursor())


def test_a_part_that_stays_missing_is_passed_over() -> None:
    cursor = LogCursor()
    for _ in range(driver_log.PATIENCE):
        read, cursor = next_read(cursor, {1: 5}, ended=False)
        assert read is None
    read, cursor = next_read(cursor, {1: 5}, ended=False)
    assert read is not None
    assert (read.part, read.start) == (1, 0)


def test_a_part_that_was_replaced_by_a_shorter_one_is_not_told_twice() -> None:
    assert next_read(LogCursor(offset=10), {0: 4}, ended=False) == (None, LogCursor(offset=10))


def test_an_unfinished_line_waits_for_its_end() -> None:
    cursor = LogCursor()
    found, cursor = read_all(cursor, {0: b"one\ntw"}, ended=False)
    assert found == ["one"]
    assert read_all(cursor, {0: b"one\ntwo"}, ended=True)[0] == ["two"]


def test_a_line_longer_than_a_read_is_told_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_log, "LARGEST_READ", 4)
    assert read_all(LogCursor(), {0: b"abcdefgh\n"}, ended=True)[0] == ["abcd", "efgh", ""]


def test_parts_are_known_by_their_names() -> None:
    assert part_uri("gs://b/driveroutput", 12) == "gs://b/driveroutput.000000012"
    assert part_of("gs://b/driveroutput", "gs://b/driveroutput.000000012") == 12
    assert part_of("gs://b/driveroutput", "gs://b/driveroutput.json") is None
    assert part_of("gs://b/driveroutput", "gs://b/other.000000012") is None


def test_a_line_that_nothing_comes_after_is_told_at_the_end() -> None:
    found, cursor = read_all(LogCursor(), {0: "één".encode(), 1: b""}, ended=True)
    assert (found, driver_log.rest(cursor)) == ([], ["één"])
