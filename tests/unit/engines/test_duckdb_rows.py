# SPDX-License-Identifier: Apache-2.0
"""Small results as Python's values: the same as by way of Arrow, without its import where columns are plain."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from airflow_dataops.engines.duckdb_rows import fetch


def rows(sql: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return fetch(connection, sql)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("1::HUGEINT", 1),
        ("170141183460469231731687303715884105727::HUGEINT", 2**127 - 1),
        ("1.50::DECIMAL(5, 2)", Decimal("1.50")),
        ("true", True),
        ("NULL", None),
        ("'ä'", "ä"),
        ("'a'::BLOB", b"a"),
        ("DATE '2024-01-31'", date(2024, 1, 31)),
        ("TIME '10:00'", time(10)),
        ("TIMESTAMP '2024-01-31 10:00:00.5'", datetime.fromisoformat("2024-01-31T10:00:00.500")),
        ("TIMESTAMPTZ '2024-01-31 10:00:00.5+02'", datetime(2024, 1, 31, 8, 0, 0, 500000, tzinfo=UTC)),
        ("TIMESTAMPTZ '1901-01-01 00:00:00'", datetime(1901, 1, 1, tzinfo=UTC)),
        ("NULL::TIMESTAMPTZ", None),
        ("[1, 2]", [1, 2]),
        ("[{'file': 'a', 'row': 1::BIGINT}, NULL]", [{"file": "a", "row": 1}, None]),
        ("{'at': [TIMESTAMPTZ '1970-01-01']}", {"at": [datetime(1970, 1, 1, tzinfo=UTC)]}),
        ("{'a': {'b': [TIMESTAMPTZ '2024-01-31']}}", {"a": {"b": [datetime(2024, 1, 31, tzinfo=UTC)]}}),
    ],
)
def test_values(sql: str, value: Any) -> None:
    assert rows(f'SELECT {sql} AS "a ""b"') == [{'a "b': value}]


def test_a_moment_keeps_its_column_and_row() -> None:
    found = rows("SELECT 'x' AS one, TIMESTAMPTZ '2024-01-01' + to_days(i::INT) AS two, i AS three FROM range(3) t(i)")
    assert [(row["one"], row["two"].day, row["three"]) for row in found] == [("x", 1, 0), ("x", 2, 1), ("x", 3, 2)]
    assert list(found[0]) == ["one", "two", "three"]


@pytest.mark.parametrize("sql", ["'infinity'::TIMESTAMPTZ", "'-infinity'::TIMESTAMPTZ", "'20000-01-01'::TIMESTAMPTZ"])
def test_a_moment_outside_of_the_calendar_is_no_null(sql: str) -> None:
    with pytest.raises(OverflowError):
        rows(f"SELECT {sql} AS a")


def test_plain_columns_need_neither_pyarrow_nor_pandas() -> None:
    program = (
        "import sys, duckdb\nfrom airflow_dataops.engines.duckdb_rows import fetch\n"
        "print(fetch(duckdb.connect(), \"SELECT 1 AS a, now() AS b, sum(2) AS c, 'x' AS d\")[0]['c'])\n"
        "sys.exit(bool({'pyarrow', 'pandas', 'pytz'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, b"2")


def test_two_columns_of_one_name_do_not_shift_the_others() -> None:
    assert rows("SELECT 1 AS a, 2 AS a, 3 AS b")[0]["b"] == 3
