# SPDX-License-Identifier: Apache-2.0
"""The gate by hand: a group-by for the key, one scan for all rules, a small group-by for the set.

python benchmarks/floor_dq_gate.py TABLE FILE-OF-BAD-ROWS|-

Where the bad rows are written, that one scan writes them, and the counts are taken from what it wrote; a second, light scan counts the
nulls. Tried and slower (processor seconds): the set's values as a count(DISTINCT) in the scan (7.6 for 4.6, 20 M rows), the key by its
hash first (7.1 for 5.6, 20 M rows), counting first and writing then (3.0 for 1.8, 3 M rows), places of bad rows collected in the scan and
looked up (14 for 12, 20 M rows).
"""

from __future__ import annotations

import json
import sys

import duckdb

BAD = {
    "not_null(email)": "email IS NULL",
    "between(amount)": "amount < 0.5 OR amount > 999.9",
    "between(quantity)": "quantity < 0 OR quantity > 98",
    "between(age)": "age < 10 OR age > 98",
    "in_set(region)": "region NOT IN ('EU', 'US', 'APAC')",
    "regex(email)": "NOT regexp_matches(email, '^[^@]+@[a-z]+[.]com$')",
    "length_between(sku)": "length(sku) <> 9",
    "column_a_greater_than_b(shipped_at, ordered_at)": "NOT shipped_at >= ordered_at",
    "not_null(event_id)": "event_id IS NULL",
}
KEY = "compound_unique(event_id, user_id)"


def find_repeated(connection: duckdb.DuckDBPyConnection, path: str) -> int:
    """Make the table of keys that occur more than once; returns their rows."""
    connection.execute(f"""CREATE TEMP TABLE repeated AS SELECT event_id AS e, user_id AS u, count(*) AS n FROM '{path}'
        GROUP BY ALL HAVING count(*) > 1""")
    row = connection.execute("SELECT coalesce(sum(n), 0) FROM repeated").fetchone() or (0,)
    return int(row[0])


def scan(connection: duckdb.DuckDBPyConnection, path: str, *, tests: bool) -> dict[str, int]:
    """Return rule -> rows that break it (none without ``tests``), and the number of rows as ``rows``."""
    names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    nulls = [f"count({name})" for name in names]
    counts = [f"count_if({test})" for test in BAD.values()] if tests else []
    found = connection.execute(
        f"SELECT {', '.join([*counts, 'count(*)', 'avg(amount)', *nulls])} FROM '{path}'"
    ).fetchone()
    connection.execute(f"SELECT region, count(*) FROM '{path}' GROUP BY ALL").fetchall()
    return dict(zip([*(BAD if tests else ()), "rows"], found or (), strict=False))


def put_aside(connection: duckdb.DuckDBPyConnection, path: str, target: str) -> dict[str, int]:
    """Write the rows that break a rule, with the rules that they break; returns rule -> rows, and their number as ``aside``."""
    rules = ", ".join(f"CASE WHEN {test} THEN '{name}' END" for name, test in BAD.items())
    bad = " OR ".join(f"({test})" for test in BAD.values())
    source = f"read_parquet('{path}', filename = true, file_row_number = true)"
    connection.execute(f"""CREATE TEMP TABLE bad AS SELECT s.*,
        list_filter([{rules}, CASE WHEN r.n IS NOT NULL THEN '{KEY}' END], lambda x: x IS NOT NULL) AS rules
        FROM {source} s LEFT JOIN repeated r ON s.event_id = r.e AND s.user_id = r.u WHERE {bad} OR r.n IS NOT NULL""")
    written = connection.execute(f"COPY bad TO '{target}' (FORMAT parquet, COMPRESSION zstd)").fetchone() or (0,)
    found = connection.execute(
        "SELECT rule, count(*) FROM (SELECT unnest(rules) AS rule FROM bad) GROUP BY ALL"
    ).fetchall()
    return {**dict.fromkeys(BAD, 0), **dict(found), "aside": int(written[0])}


def main() -> None:
    """Do the work and print what was found."""
    path, target = sys.argv[1:]
    with duckdb.connect(config={"preserve_insertion_order": False}) as connection:
        repeated = find_repeated(connection, path)
        aside = {"aside": 0} if target == "-" else put_aside(connection, path, target)
        seen = scan(connection, path, tests=target == "-")
    print(json.dumps({**seen, **aside, KEY: repeated}))


if __name__ == "__main__":
    main()
