# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_dataops.core.dq_gate.gx_types import type_fault, types_match


@pytest.mark.parametrize(
    ("actual", "name"),
    [
        ("bigint", "int64"),
        ("bigint", "LongType"),
        ("bigint", "LongType()"),
        ("bigint", "BIGINT"),
        ("integer", "INTEGER"),
        ("string", "object"),
        ("string", "str"),
        ("string", "VARCHAR(20)"),
        ("string", "StringType"),
        ("timestamp", "datetime64[ns]"),
        ("timestamptz", "datetime64[ns, UTC]"),
        ("timestamptz", "TimestampType"),
        ("decimal(10, 2)", "DecimalType(10,2)"),
        ("decimal(10, 2)", "NUMERIC"),
        ("double", "float64"),
        ("list<bigint>", "ArrayType"),
        ("list<bigint>", "list<bigint>"),
    ],
)
def test_names_of_other_engines(actual: str, name: str) -> None:
    assert types_match(actual, [name])


@pytest.mark.parametrize(
    ("actual", "name"),
    [("integer", "int64"), ("string", "bytes"), ("decimal(10, 2)", "DecimalType(9,2)"), ("double", "float32")],
)
def test_other_types(actual: str, name: str) -> None:
    assert not types_match(actual, [name])


def test_a_name_that_nobody_knows() -> None:
    assert "unknown type 'Quux'" in str(type_fault("Quux"))
