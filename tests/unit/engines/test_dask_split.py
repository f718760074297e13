# SPDX-License-Identifier: Apache-2.0
"""A query split in two gives what it gives as a whole, however the rows are cut; what cannot be split is refused."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import duckdb
import pytest
from sqlglot import exp, parse_one

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.sql.dialects import pin, render
from airflow_dataops.engines.dask_split import PARTIAL, is_repeated, split

ROWS = [(n, n % 3, None if n % 4 == 0 else n / 8, "abc"[n % 3] * (n % 2)) for n in range(23)]
CUTS = [[0, 23], [0, 1, 23], [0, 5, 5, 11, 23]]


def tree(sql: str) -> exp.Query:
    made = parse_one(sql, dialect="duckdb")
    assert isinstance(made, exp.Query)
    return made


def whole(query: exp.Query, rows: Sequence[Any] = ROWS) -> list[Any]:
    with duckdb.connect() as connection:
        load(connection, "t", rows)
        return connection.execute(render(query, "duckdb")).fetchall()


def in_parts(query: exp.Query, cuts: list[int]) -> list[Any]:
    """Run a query on each part, and what is left to do on the results of all; rows that belong together are together anyway."""
    with duckdb.connect() as names:
        load(names, "t", [])
        made = split(query, lambda q: [row[0] for row in names.execute(f"DESCRIBE {render(q, 'duckdb')}").fetchall()])
    parts = []
    for start, end in itertools.pairwise(cuts):
        with duckdb.connect() as connection:
            load(connection, "t", ROWS[start:end])
            parts.append(connection.sql(render(made.each, "duckdb")).to_arrow_table())
    with duckdb.connect() as connection:
        import pyarrow as pa

        connection.register(PARTIAL, pa.concat_tables(parts))
        last = made.last or exp.select(exp.Star()).from_(PARTIAL)
        return connection.execute(render(last, "duckdb")).fetchall()


def load(connection: Any, name: str, rows: Sequence[Any]) -> None:
    connection.execute(f"CREATE TABLE {name} (id BIGINT, k INTEGER, f DOUBLE, s VARCHAR)")
    if rows:
        connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", rows)


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, s FROM t WHERE f > 1",
        "SELECT id FROM (SELECT * FROM t WHERE k = 1 UNION ALL SELECT * FROM t WHERE k = 2) AS u ORDER BY id DESC LIMIT 4",
        "SELECT count(*) AS n, count(f) AS p, count(*) - count(f) AS m, count_if(k = 1) AS c FROM t",
        "SELECT sum(k) AS a, min(s) AS b, max(f) AS c, max(f) FILTER (WHERE k = 2) AS d, count(*) FILTER (WHERE k > 7) AS e FROM t",
        "SELECT avg(f) AS a, stddev_samp(f) AS b, median(f) AS c, avg(f) FILTER (WHERE k > 7) AS d FROM t WHERE id > 2",
        "SELECT stddev_samp(f) AS a FROM t WHERE id = 1",
        "SELECT k, count(*) AS n, avg(f) AS m, stddev_samp(f) AS d FROM t GROUP BY k ORDER BY k",
        "SELECT k, s, count(*) AS n FROM t GROUP BY k, s HAVING count(*) > 3 ORDER BY k, s",
    ],
)
def test_parts_give_what_the_whole_gives(sql: str, cuts: list[int]) -> None:
    query = tree(sql)
    found, expected = in_parts(query, cuts), whole(query)
    ordered = (lambda rows: rows) if "ORDER" in sql else (lambda rows: sorted(rows, key=repr))
    for row, wanted in zip(ordered(found), ordered(expected), strict=True):
        assert row == pytest.approx(wanted) if any(isinstance(v, float) for v in wanted) else row == wanted


@pytest.mark.parametrize("cuts", CUTS)
def test_quantiles_and_lowest_rows_of_parts_are_those_of_the_whole(cuts: list[int]) -> None:
    quantile = pin("quantile", exp.column("f"), exp.Literal.number(0.9))
    lowest = pin("lowest", exp.column("id"), exp.Literal.number(3), tree("SELECT 1 WHERE k = 2").args["where"].this)
    query = exp.select(exp.alias_(quantile, "q"), exp.alias_(lowest, "low")).from_("t")
    assert in_parts(query, cuts) == whole(query)


def test_rows_come_together_by_what_all_windows_share() -> None:
    inner = "SELECT id, k, s FROM t WHERE f IS NOT NULL"
    sql = f"SELECT id FROM (SELECT *, row_number() OVER (PARTITION BY k, s ORDER BY id) AS r FROM ({inner}) AS i) AS w WHERE r > 1"
    made = split(tree(sql), lambda _: ["id", "k", "s"])
    assert made.by == ("k", "s")
    assert made.each.sql() == tree(inner).sql()
    assert sorted(in_parts(tree(sql), [0, 23])) == sorted(whole(tree(sql)))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM (SELECT k FROM t GROUP BY k) AS g",
        "SELECT id FROM (SELECT * FROM t LIMIT 3) AS l",
        "SELECT DISTINCT k FROM t",
        "SELECT id FROM (SELECT * FROM t UNION SELECT * FROM t) AS u",
        "SELECT string_agg(s, ',') AS x FROM t",
        "SELECT id, count(*) FROM t GROUP BY k",
        "SELECT count(DISTINCT k) AS n FROM t",
        "SELECT sum(DISTINCT k) FILTER (WHERE f > 1) AS n FROM t",
        "SELECT id FROM t ORDER BY id LIMIT 3 OFFSET 2",
        "SELECT k, count(*) AS n FROM t GROUP BY k LIMIT 3 OFFSET 2",
        "SELECT id FROM (SELECT *, row_number() OVER (ORDER BY id) AS r FROM (SELECT * FROM t) AS i) AS w",
    ],
)
def test_what_cannot_be_split_is_refused(sql: str) -> None:
    with pytest.raises(DataOpsError) as error:
        split(tree(sql), lambda _: ["id", "k", "f", "s"])
    assert error.value.code == "DASK_QUERY"


def test_the_question_for_repeated_keys_is_known() -> None:
    assert is_repeated(tree("SELECT k FROM t GROUP BY k HAVING count(*) > 1"))
    assert not is_repeated(tree("SELECT k FROM t GROUP BY k HAVING count(*) > 2"))
    assert not is_repeated(tree("SELECT k FROM t"))
