# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core import pacing
from airflow_dataops.core.spark_k8s.log_cursor import LogCursor, LogSource, reads, tell

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
FRESH = LogCursor(pod_uid="u", instance="c1")


def stamped(seconds: float, text: str) -> bytes:
    return f"{(NOON + timedelta(seconds=seconds)).isoformat(timespec='microseconds').replace('+00:00', 'Z')} {text}\n".encode()


@dataclass
class Log:
    """A container's log as a node keeps it: what was rotated away is gone."""

    lines: list[tuple[datetime, bytes]] = field(default_factory=list)

    def write(self, seconds: float, text: str) -> None:
        self.lines.append((NOON + timedelta(seconds=seconds), stamped(seconds, text)))

    def answer(self, cursor: LogCursor) -> bytes:
        since = datetime.fromisoformat(cursor.since) if cursor.since else datetime.min.replace(tzinfo=UTC)
        return b"".join(line for time, line in self.lines if time >= since)


def test_a_line_is_told_once_and_without_its_time() -> None:
    log = Log()
    log.write(0, "one")
    told = tell(FRESH, log.answer(FRESH), ended=False)
    log.write(0.5, "two two")
    again = tell(told.cursor, log.answer(told.cursor), ended=False)
    assert (told.lines, again.lines, again.sure) == (("one",), ("two two",), True)


def test_equal_lines_of_the_same_moment_are_all_told() -> None:
    told = tell(FRESH, stamped(0, "x") * 3, ended=False)
    again = tell(told.cursor, stamped(0, "x") * 5, ended=False)
    assert (told.lines, again.lines) == (("x", "x", "x"), ("x", "x"))


def test_a_line_stamped_before_an_earlier_one_is_told() -> None:
    log = Log()
    log.write(10.2, "stderr")
    told = tell(FRESH, log.answer(FRESH), ended=False)
    log.write(9.9, "stdout, stamped first and written later")
    assert tell(told.cursor, log.answer(told.cursor), ended=False).lines == ("stdout, stamped first and written later",)


def test_since_follows_the_latest_line_so_that_little_is_read_again() -> None:
    answer = b"".join(stamped(second, f"line {second}") for second in range(100))
    cursor = tell(FRESH, answer, ended=False).cursor
    assert (cursor.since, cursor.told) == ("2026-01-02T12:01:38Z", 2)


def test_times_with_the_nodes_own_zone_are_understood() -> None:
    told = tell(FRESH, b"2026-01-02T14:00:05.123456789+02:00 text\n", ended=False)
    assert (told.lines, told.cursor.since) == (("text",), "2026-01-02T12:00:04Z")


@pytest.mark.parametrize(("ended", "lines"), [(False, ("one",)), (True, ("one", "tw"))])
def test_an_unfinished_line_is_left_until_nothing_can_follow(ended: bool, lines: tuple[str, ...]) -> None:
    assert tell(FRESH, stamped(0, "one") + stamped(1, "two")[:-2], ended=ended).lines == lines


def test_what_was_cut_off_is_told_by_the_next_read() -> None:
    answer = stamped(0, "one") + stamped(0.1, "two") + stamped(0.2, "three")
    told = tell(FRESH, answer[: len(stamped(0, "one")) + 9], ended=False)
    assert told.lines == ("one",)
    assert tell(told.cursor, answer, ended=False).lines == ("two", "three")


def test_an_answer_cut_before_what_was_told_changes_nothing() -> None:
    answer = stamped(0, "one") + stamped(0.1, "two")
    told = tell(FRESH, answer, ended=False)
    cut = tell(told.cursor, stamped(0, "one"), ended=False)
    assert (cut.lines, cut.cursor) == ((), told.cursor)


def test_after_a_rotation_what_is_left_is_not_told_again() -> None:
    log = Log()
    for number in range(5):
        log.write(number / 10, f"line {number}")
    told = tell(FRESH, log.answer(FRESH), ended=False)
    log.write(0.6, "line 5")
    del log.lines[:3]
    again = tell(told.cursor, log.answer(told.cursor), ended=False)
    assert (again.lines, again.sure, again.gap) == (("line 5",), True, False)


def test_a_rotation_past_what_was_told_is_a_gap() -> None:
    told = tell(FRESH, stamped(0, "old"), ended=False)
    again = tell(told.cursor, stamped(30, "new"), ended=False)
    assert (again.lines, again.sure, again.gap) == (("new",), False, True)


def test_an_empty_answer_after_a_rotation_keeps_the_place() -> None:
    told = tell(FRESH, stamped(0, "old"), ended=False)
    nothing = tell(told.cursor, b"", ended=False)
    assert (nothing.lines, nothing.cursor) == ((), told.cursor)


@pytest.mark.parametrize(
    "line",
    [
        b"unable to retrieve container logs for x://1",
        b"\xff\xfe\x00",
        b"",
        b" ",
        b"2026-13-45T99:99:99Z x",
        b"2026-01-02 x",
        b"12:00 x",
        "2026-01-02T12:00:00Z é".encode("latin-1"),
    ],
)
def test_a_line_without_a_time_is_a_line(line: bytes) -> None:
    told = tell(FRESH, line + b"\n", ended=False)
    assert len(told.lines) == 1
    assert tell(told.cursor, line + b"\n" + line + b"\n", ended=False).lines == told.lines


def test_the_log_of_an_earlier_start_is_read_first_from_where_it_was_left() -> None:
    cursor = LogCursor(pod_uid="u", instance="c1", since="2026-01-02T12:00:00Z", told=1, first="a", last="a")
    found = reads(cursor, LogSource("p", "u", "main", instance="c2", previous="c1"))
    assert [(one.cursor.instance, one.cursor.told, one.previous, one.ended) for one in found] == [
        ("c1", 1, True, True),
        ("c2", 0, False, False),
    ]


@pytest.mark.parametrize(
    ("instance", "previous", "expected"),
    [
        ("", "", []),
        ("c1", "", [("c1", False, False)]),
        ("c2", "", [("c2", False, True)]),
        ("c3", "c2", [("c2", True, True), ("c3", False, False)]),
    ],
)
def test_a_start_that_nobody_kept_is_said(instance: str, previous: str, expected: list[tuple[str, bool, bool]]) -> None:
    cursor = LogCursor(pod_uid="u", instance="c1", told=1)
    found = reads(cursor, LogSource("p", "u", "main", instance=instance, previous=previous))
    assert [(one.cursor.instance, one.previous, one.lost) for one in found] == expected


def test_another_pod_is_read_from_its_beginning() -> None:
    (only,) = reads(LogCursor(pod_uid="u", instance="c1", told=9), LogSource("p", "v", "main", instance="c1"))
    assert (only.cursor.told, only.lost) == (0, False)


@given(st.integers(0, 2**32), st.integers(1, 60), st.booleans())
def test_every_line_is_told_once_whatever_happens(seed: int, rounds: int, rotating: bool) -> None:
    """Lines come at random times a little out of order, answers are cut anywhere, readers die and go on, logs are rotated behind the reader."""
    draw = random.Random(seed)
    log, told, written, cursor, clock = Log(), [], [], FRESH, 0.0
    for _ in range(rounds):
        for _ in range(draw.randrange(8)):
            clock += draw.choice([0, 0.0001, 0.2, 3])
            written.append(f"{len(written)} {draw.choice(['', ' ', 'é', 'x' * 50])}")
            log.write(clock - draw.choice([0, 0, 0.9]), written[-1])
        if rotating and len(told) > 2 and draw.random() < 0.2:
            log.lines = log.lines[-(len(written) - len(told) + draw.randrange(2)) or len(log.lines) :]
        answer = log.answer(cursor)
        if draw.random() < 0.4:
            answer = answer[: draw.randrange(len(answer) + 1)]
        result = tell(cursor, answer, ended=False)
        if draw.random() < 0.8:  # else the reader died before it told anybody
            told += result.lines
            cursor = LogCursor.model_validate_json(result.cursor.model_dump_json())
    told += tell(cursor, log.answer(cursor), ended=True).lines
    assert told == written


@given(st.lists(st.text("ab", max_size=3), min_size=1, max_size=40), st.integers(0, 40), st.integers(1, 1000))
def test_who_stops_behind_any_piece_goes_on_with_the_next_line(texts: list[str], told_before: int, size: int) -> None:
    log = Log()
    for number, text in enumerate(texts[:told_before]):
        log.write(number / 7, text)
    before = tell(FRESH, log.answer(FRESH), ended=False)
    for number, text in list(enumerate(texts))[told_before:]:
        log.write(number / 7, text)
    with patch.object(pacing, "PIECE", size):
        told = tell(before.cursor, log.answer(before.cursor), ended=False)
    found = list(before.lines)
    for piece in told.pieces:
        found += piece.lines
        following = tell(piece.cursor, log.answer(piece.cursor), ended=False)
        assert [*found, *following.lines] == texts
