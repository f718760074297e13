# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import re
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.refine.mask import check_masks, mask_expression, mask_type, salts
from airflow_dataops.core.sql.dialects import render
from airflow_dataops.core.sql.types import parse_type
from airflow_dataops.core.tables import MaskSpec, SecretRef

CONNECTION = duckdb.connect()
CONNECTION.execute("set TimeZone = 'UTC'")

SALTED = MaskSpec(kind="sha256", salt=SecretRef(secret="env:SALT"))


def masked(value: Any, mask: MaskSpec, kind: str = "string", salt: str | None = None) -> Any:
    sql = render(mask_expression("x", kind, mask, salt=salt), "duckdb")
    typed = f"select cast(? as {render(parse_type(kind), 'duckdb')}) as x"
    row = CONNECTION.execute(f"select {sql} from ({typed})", [value]).fetchone()
    assert row is not None
    return row[0]


@given(st.text(max_size=20).filter(lambda t: "\x00" not in t), st.text(max_size=8).filter(lambda t: "\x00" not in t))
def test_sha256_is_that_of_salt_and_value(value: str, salt: str) -> None:
    expected = hashlib.sha256((salt + value).encode()).hexdigest()
    assert masked(value, SALTED, salt=salt) == expected


@given(st.text(max_size=20).filter(lambda t: "\x00" not in t))
def test_digits_become_x_and_nothing_else_changes(value: str) -> None:
    assert masked(value, MaskSpec(kind="digits")) == re.sub("[0-9]", "X", value)


@given(st.text(max_size=12).filter(lambda t: "\x00" not in t))
def test_last4_shows_four_characters_of_a_longer_text_and_none_of_a_shorter(value: str) -> None:
    expected = "*" * (len(value) - 4) + value[-4:] if len(value) > 4 else "*" * len(value)
    assert masked(value, MaskSpec(kind="last4")) == expected


@pytest.mark.parametrize("kind", ["sha256", "digits", "last4", "drop", "null"])
def test_null_stays_null(kind: Any) -> None:
    assert masked(None, MaskSpec(kind=kind)) is None


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("12345", "integer", "XXXXX"),
        ("2013-01-02", "date", "XXXX-XX-XX"),
        ("1.50", "decimal(5, 2)", "X.XX"),
        ("true", "boolean", "true"),
    ],
)
def test_other_types_are_masked_as_text(value: str, kind: str, text: str) -> None:
    assert masked(value, MaskSpec(kind="digits"), kind) == text
    assert mask_type(kind, MaskSpec(kind="digits")) == "string"


def test_null_keeps_the_type() -> None:
    assert mask_type("integer", MaskSpec(kind="null")) == "integer"
    assert render(mask_expression("x", "integer", MaskSpec(kind="null")), "duckdb") == "CAST(NULL AS INT)"


def test_without_its_value_a_salt_is_shown_as_a_placeholder() -> None:
    sql = render(mask_expression("x", "string", SALTED), "spark")
    assert sql == "SHA2(CONCAT('<salt>', `x`), 256)"


def test_a_salt_must_be_handed_over() -> None:
    masks = {"x": SALTED, "y": MaskSpec(kind="null")}
    assert salts(masks, {"env:SALT": "s"}) == {"x": "s"}
    for given_secrets in ({}, {"env:SALT": ""}):
        with pytest.raises(SpecError, match="env:SALT") as error:
            salts(masks, given_secrets)
        assert error.value.code == "SECRET_MISSING"


@pytest.mark.parametrize(
    ("masks", "code"),
    [
        ({"tailnumm": MaskSpec(kind="null")}, "UNKNOWN_COLUMN"),
        ({"items": MaskSpec(kind="sha256")}, "BAD_MASK"),
        ({"tailnum": MaskSpec(kind="digits", salt=SecretRef(secret="env:S"))}, "BAD_MASK"),
    ],
)
def test_a_mask_that_cannot_be_meant_is_refused(masks: dict[str, MaskSpec], code: str) -> None:
    with pytest.raises(SpecError) as error:
        check_masks(masks, {"tailnum": "string", "items": "list<string>"})
    assert error.value.code == code


def test_a_nested_column_can_be_dropped() -> None:
    check_masks({"items": MaskSpec(kind="drop")}, {"items": "list<string>"})
