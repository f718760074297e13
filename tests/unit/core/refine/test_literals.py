# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.refine.literals import literal
from airflow_dataops.core.sql.dialects import render


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (0, "integer", "0"), (-5, "tinyint", "-5"), (2.0, "bigint", "2"), (1.5, "double", "1.5"), (1, "decimal(5, 2)", "1.00"),
        (-0.25, "decimal(5, 2)", "-0.25"), (True, "boolean", "true"), ("it's \\", "string", "it's \\"), ("", "string", ""),
        ("2013-01-02", "date", "2013-01-02"), (date(2013, 1, 2), "date", "2013-01-02"),
        ("2013-01-02T01:00:00+01:00", "timestamp", "2013-01-02 00:00:00"), (9223372036854775807, "bigint", "9223372036854775807"),
        (1e300, "double", "1e+300"),
    ],
)  # fmt: skip
def test_a_value_of_the_type(value: Any, kind: str, shown: str) -> None:
    row = (
        duckdb.connect().execute(f"select cast({render(literal(value, kind, 'fill'), 'duckdb')} as varchar)").fetchone()
    )
    assert row == (shown,)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "integer"), (True, "integer"), (2.5, "integer"), (128, "tinyint"), (2**63, "bigint"), (float("nan"), "double"),
        (float("inf"), "double"), (1, "boolean"), ("true", "boolean"), (1, "string"), (None, "string"), (1000, "decimal(5, 2)"),
        (0.001, "decimal(5, 2)"), ("yesterday", "date"), ("2013-01-02T01:00:00", "date"), (20130102, "date"), ([1], "list<integer>"),
    ],
)  # fmt: skip
def test_another_value_is_refused(value: Any, kind: str) -> None:
    with pytest.raises(SpecError, match=r"clean\.fill of 'x'") as error:
        literal(value, kind, "clean.fill of 'x'")
    assert error.value.code == "BAD_VALUE"
