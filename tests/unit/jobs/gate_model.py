# SPDX-License-Identifier: Apache-2.0
"""The gate's rules in plain Python, and random tables for them: nulls, NaN, texts of all scripts, integers beyond 53 bits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

TEXTS = (
    st.none()
    | st.sampled_from(["", "a", "ab", "é", "日本", "N10", "x\ny", "'", "👩‍👧", "%", "a\x00b"])
    | st.text(max_size=4)
)
INTEGERS = st.none() | st.integers(-3, 3) | st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**63 - 1])
FLOATS = st.none() | st.sampled_from([float("nan"), float("inf"), -0.0, 0.0, 1.5, 1e308, 0.1]) | st.floats(width=64)
TABLES = st.lists(st.tuples(INTEGERS, INTEGERS, FLOATS, TEXTS), max_size=12)
Row = Mapping[str, Any]


def missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def on(column: str, good: Callable[[Any], bool]) -> Callable[[Row], bool | None]:
    """A row rule on one column: None where the row is not looked at."""
    return lambda row: None if missing(row[column]) else good(row[column])


def greater(row: Row) -> bool | None:
    if missing(row["i"]) and missing(row["j"]):
        return None
    return not missing(row["i"]) and not missing(row["j"]) and row["i"] > row["j"]


ROW_RULES: list[tuple[dict[str, Any], Callable[[Row], bool | None]]] = [
    ({"not_null": "f"}, lambda row: not missing(row["f"])),
    ({"is_null": "t"}, lambda row: missing(row["t"])),
    ({"between": ["i", -1, 2**53]}, on("i", lambda value: -1 <= value <= 2**53)),
    ({"between": {"column": "f", "min": 0, "strict_min": True}}, on("f", lambda value: value > 0)),
    ({"in_set": ["i", [1, 2**53 + 1, -(2**63)]]}, on("i", lambda value: value in (1, 2**53 + 1, -(2**63)))),
    ({"in_set": ["t", ["ab", "'", "日本"]]}, on("t", lambda value: value in ("ab", "'", "日本"))),
    ({"not_in_set": ["f", [0, 1.5]]}, on("f", lambda value: value not in (0, 1.5))),
    ({"length_between": ["t", 1, 2]}, on("t", lambda value: 1 <= len(value) <= 2)),
    ({"regex": ["t", "[a-z]"]}, on("t", lambda value: any("a" <= letter <= "z" for letter in value))),
    ({"not_regex": ["t", "^N"]}, on("t", lambda value: not value.startswith("N"))),
    ({"column_a_greater_than_b": ["i", "j"]}, greater),
    ({"condition": "i > j"}, lambda row: None if missing(row["i"]) or missing(row["j"]) else row["i"] > row["j"]),
]
KEYS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"unique": "i"}, ("i",)),
    ({"unique": "f"}, ("f",)),
    ({"compound_unique": ["i", "t"]}, ("i", "t")),
]


def expected(rows: list[Row]) -> list[list[bool | None]]:
    """Return, for each rule, what it says of each row."""
    found = [[good(row) for row in rows] for _, good in ROW_RULES]
    for _, columns in KEYS:
        keys = [tuple(None if missing(row[name]) else row[name] for name in columns) for row in rows]
        count = Counter(keys)
        found.append([None if all(value is None for value in key) else count[key] == 1 for key in keys])
    return found
