# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import zlib
from typing import Any

import pytest

from airflow_dataops.core.kafka_health.codes import Severity
from airflow_dataops.core.kafka_health.packing import MOST_CHARACTERS, pack, unpack
from airflow_dataops.core.kafka_health.window import Window
from tests.kafka_looks import at
from tests.unit.core.kafka_health.samples import Watch, check_of, snapshot_of, view


def window_of(partitions: int, looks: int = 10) -> Window:
    """Return the window of a busy group: each commit is another distance from the one before."""
    watch = Watch(check_of())
    for minute in range(looks):
        views = [
            view(n * 1_000_003 + minute * (n % 977), n * 1_000_003 + minute * (n % 991) + n % 13, n)
            for n in range(partitions)
        ]
        watch.look(snapshot_of(*views, minute=minute))
    assert watch.window is not None
    return watch.window


def test_a_window_is_what_it_was() -> None:
    window = window_of(20)
    assert unpack(pack(window)) == window
    assert unpack(pack(Window())) == Window()


def test_that_of_5000_partitions_is_small() -> None:
    window = window_of(5000)
    text = pack(window)
    assert len(text) < MOST_CHARACTERS
    assert unpack(text) == window


def test_the_oldest_looks_are_left_out_where_it_is_too_long() -> None:
    window = window_of(50)
    whole = pack(window)
    text = pack(window, most=len(whole) - 1)
    kept = unpack(text)
    assert kept is not None
    assert len(text) <= len(whole) - 1
    assert kept.looks == window.looks[-5:]
    key, before = next(iter(window.partitions.items()))
    assert kept.of(key).samples == before.samples[-5:]
    assert kept.severity is window.severity


def test_the_severity_stays_in_any_case() -> None:
    watch = Watch(check_of(lag={"critical": 1}))
    watch.look(at(0, 0, 9))
    assert watch.window is not None
    kept = unpack(pack(watch.window, most=1))
    assert kept == Window(severity=Severity.CRITICAL)


@pytest.mark.parametrize(
    "text", [None, 7, "", "no base85 \x00", base64.b85encode(b"no zlib").decode(), pack(Window())[:-3]]
)
def test_what_was_not_packed_here_is_no_window(text: Any) -> None:
    assert unpack(text) is None


def test_a_text_that_would_fill_the_memory_is_no_window() -> None:
    bomb = zlib.compress(b" " * (65 * 2**20), 9)
    assert unpack(base64.b85encode(bomb).decode()) is None
