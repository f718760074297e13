# SPDX-License-Identifier: Apache-2.0
"""Where things stand: keys, values, what is inside of a text, and the nearest thing where something is not there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dag_factories.positions import key_text, parse_tree
from dag_factories.reader import parse

TEXT = """\
a: 1
b: {c: [x, "y z"], 7: q}
d: &anchor
  e: 'text'
f: *anchor
g: |
  first
  second
h: >
  one
  two
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (1, 1)),
        (("a",), (1, 4)),
        (("b", "c", 1), (2, 12)),
        (("b", 7), (2, 23)),
        (("d", "e"), (4, 6)),
        (("f", "e"), (4, 6)),
        (("nope",), (1, 1)),
        (("b", "nope"), (2, 1)),
        (("b", "c", 9), (2, 5)),
        (("b", "c", "x"), (2, 5)),
    ],
)
def test_a_value_is_found(path: tuple[Any, ...], place: tuple[int, int]) -> None:
    assert parse_tree(TEXT).find(path) == place


def test_a_key_is_found() -> None:
    assert parse_tree(TEXT).find(("b", "c"), on_key=True) == (2, 5)


@pytest.mark.parametrize(
    ("path", "offset", "place"),
    [(("a",), 0, (1, 4)), (("b", "c", 1), 2, (2, 15)), (("g",), 7, (8, 1)), (("h",), 4, (9, 4))],
)
def test_an_offset_into_a_text(path: tuple[Any, ...], offset: int, place: tuple[int, int]) -> None:
    assert parse_tree(TEXT).find(path, offset=offset) == place


def test_a_broken_text_leaves_what_stood_before() -> None:
    tree = parse_tree("a: 1\nb: [2, 3\nc: 4\n")
    assert tree.error is not None
    assert tree.find(("b", 0)) == (2, 5)


@pytest.mark.parametrize(("key", "text"), [(True, "true"), (None, "null"), (7, "7"), ("x", "x")])
def test_a_parsed_key_is_found_as_it_is_written(key: object, text: str) -> None:
    assert key_text(key) == text


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.sampled_from(["x", "a b", "no", "2024-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "l", "m"]), inner, max_size=3),
    max_leaves=12,
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [path, *(found for key, child in children for found in paths_of(child, (*path, key)))]


@given(st.dictionaries(st.sampled_from(["k", "l", "m"]), _VALUES, min_size=1, max_size=3), st.booleans())
@settings(deadline=None)
def test_every_value_of_the_data_has_a_place_of_its_own(data: dict[str, Any], flow: bool) -> None:
    import yaml

    text = yaml.safe_dump(data, default_flow_style=flow)
    document = parse(text.encode(), "f")
    places = [document.find(path) for path in paths_of(document.data) if path]
    assert len(places) == len(set(places))
