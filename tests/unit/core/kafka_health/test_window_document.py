# SPDX-License-Identifier: Apache-2.0
"""A window is read back as it was written, in any run after it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dataops.core.kafka_health.burrow import Sample
from airflow_dataops.core.kafka_health.codes import Severity
from airflow_dataops.core.kafka_health.window import PartitionWindow, Window
from airflow_dataops.core.kafka_health.window_document import dump, load
from tests.unit.core.kafka_health.samples import START, Watch, check_of, snapshot_of, view

whole = st.one_of(st.integers(-3, 30), st.sampled_from([2**63 - 1, -(2**63), 10**12]))
TIMES = (0, 1, 5, START, START + 60_000, START + 120_000)
times = st.integers(0, 2 ** len(TIMES) - 1).map(lambda mask: tuple(at for n, at in enumerate(TIMES) if mask >> n & 1))


@st.composite
def parts(draw: st.DrawFn) -> PartitionWindow:
    """A partition of any history."""
    samples = tuple(Sample(draw(whole), at, draw(st.none() | whole)) for at in draw(times))
    ends = tuple((at, draw(whole)) for at in draw(times))
    return PartitionWindow(samples, ends, draw(st.none() | st.tuples(whole, whole)), draw(st.integers(0, 3)))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """A window of any history."""
    looks = draw(times)
    keys = st.tuples(st.sampled_from(["", "a", "\u00fc-1"]), st.integers(0, 9))
    return Window(
        looks,
        tuple(draw(st.booleans()) for _ in looks),
        draw(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=3))),
        draw(st.dictionaries(keys, parts(), max_size=2)),
        draw(st.none() | st.sampled_from(Severity)),
    )


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from("vtkuirp0soewnfa"), inner, max_size=4)
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(windows())
def test_a_window_is_read_back_as_it_was_written(window: Window) -> None:
    assert load(json.loads(json.dumps(dump(window)))) == window


@settings(max_examples=60)
@given(json_values, windows(), st.sampled_from("vtkuirp"))
def test_what_is_damaged_is_no_window_and_no_error(value: Any, window: Window, key: str) -> None:
    assert load(value) is None or isinstance(value, dict)
    damaged = {**dump(window), key: value}
    found = load(damaged)
    assert found is None or load(json.loads(json.dumps(dump(found)))) == found


@pytest.mark.parametrize(
    "document",
    [
        None,
        "v1",
        {"v": 2},
        {"v": 1, "colour": "red"},
        {"v": 1, "t": [5, 0]},
        {"v": 1, "t": [5, -1]},
        {"v": 1, "t": [5], "k": 2},
        {"v": 1, "t": [5], "u": [1]},
        {"v": 1, "t": [5], "k": [-1]},
        {"v": 1, "t": [5], "p": {"a": {"0": {"s": 1}}}},
        {"v": 1, "t": [5], "p": {"a": {"0": {"s": 1, "o": [1, 2]}}}},
        {"v": 1, "t": [5], "p": {"a": {"0": {"s": 1, "o": [1], "w": [1, 2]}}}},
        {"v": 1, "t": [5], "r": "green"},
    ],
)
def test_another_version_and_a_damaged_one_begin_anew(document: Any) -> None:
    assert load(document) is None


def test_the_first_form_is_read_for_ever() -> None:
    document = {
        "v": 1,
        "t": [START, 60_000, 60_000],
        "k": 3,
        "u": [1],
        "i": {"gpu-metadata": "u-1"},
        "r": "warning",
        "p": {
            "gpu-metadata": {
                "0": {"s": 3, "o": [5, 2], "e": 3, "n": [9], "f": [7, 8]},
                "3": {"s": [0], "o": [5], "w": [4], "a": 1},
            }
        },
    }
    at = (START, START + 60_000, START + 120_000)
    zero = PartitionWindow(
        (Sample(5, at[0], 4), Sample(7, at[1], 2), Sample(7, at[2], 2)), tuple((one, 9) for one in at), (7, 8)
    )
    gone = PartitionWindow((Sample(5, at[0], 4),), absent=1)
    window = Window(
        at,
        (False, True, False),
        {"gpu-metadata": "u-1"},
        {("gpu-metadata", 0): zero, ("gpu-metadata", 3): gone},
        Severity.WARNING,
    )
    assert load(document) == window
    assert dump(window) == document


def test_it_is_small() -> None:
    watch = Watch(check_of())
    for n in range(12):
        busy = [view(10**9 + 700 * n, 10**9 + 800 * n, number) for number in range(50)]
        watch.look(snapshot_of(*busy, *(view(7, 7, number) for number in range(50, 100)), minute=n))
    assert watch.window is not None
    written = json.dumps(dump(watch.window), separators=(",", ":"))
    assert len(written) < 100 * 110
    assert load(json.loads(written)) == watch.window


def test_an_empty_one_is_nothing() -> None:
    assert dump(Window()) == {"v": 1}
    assert load({"v": 1}) == Window()
