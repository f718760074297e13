# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.metadata.canonical import digest, encode, number
from airflow_dataops.core.metadata.limits import LARGEST_INTEGER

keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
leaves = (
    st.none()
    | st.booleans()
    | keys
    | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


# Appendix B of RFC 8785, and the examples of its text.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (-5e-324, "-5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (-9007199254740992.0, "-9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1.0000000000000001e23, "1.0000000000000001e+23"),
        (999999999999999700000.0, "999999999999999700000"),
        (999999999999999900000.0, "999999999999999900000"),
        (1e21, "1e+21"),
        (9.999999999999997e-7, "9.999999999999997e-7"),
        (0.000001, "0.000001"),
        (333333333.3333332, "333333333.3333332"),
        (333333333.33333325, "333333333.33333325"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"),
        (1424953923781206.2, "1424953923781206.2"),
        (4.50, "4.5"),
        (2e-3, "0.002"),
        (1, "1"),
        (1.0, "1"),
        (100, "100"),
        (2**53, "9007199254740992"),
        (10**20, "100000000000000000000"),
        (123456789012345680000, "123456789012345680000"),
        (1e-7, "1e-7"),
        (-1.5e-9, "-1.5e-9"),
    ],
)
def test_a_number_is_written_as_the_rfc_says(value: float, text: str) -> None:
    assert number(value) == text


def test_the_example_of_the_rfc() -> None:
    value = json.loads(
        '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        ' "string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/", "literals": [null, true, false]}'
    )
    assert encode(value).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_sorted_by_utf16_as_the_rfc_says() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    found = list(json.loads(encode(dict.fromkeys(names, 0))))
    assert found == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@given(values)
def test_the_bytes_are_json_of_the_same_value_and_a_fixed_point(value: Any) -> None:
    made = encode(value)
    assert json.loads(made, parse_int=float) == json.loads(json.dumps(value), parse_int=float)
    assert encode(json.loads(made)) == made


@given(st.dictionaries(keys, leaves, max_size=6), st.randoms())
def test_the_order_of_keys_and_the_form_of_numbers_say_nothing(value: dict[str, Any], random: Any) -> None:
    items = [
        (key, float(one) if isinstance(one, int) and not isinstance(one, bool) else one) for key, one in value.items()
    ]
    random.shuffle(items)
    assert digest(dict(items)) == digest(value)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 2**53 + 1, -(2**53) - 1, 10**400, 123456789012345683968, "\ud800", {"\udc00": 1}],
)
def test_what_no_json_reader_is_sure_of_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # a text that cannot be encoded is one, too
        encode([value])


@pytest.mark.parametrize("value", [b"x", {1: 2}, {"a": {1}}])
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(value)
