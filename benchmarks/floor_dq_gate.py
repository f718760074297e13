# SPDX-License-Identifier: Apache-2.0
"""The gate by hand: one scan for all counts, one group-by for the key, one small one for the set, one copy of the bad rows.

python benchmarks/floor_dq_gate.py TABLE FILE-OF-BAD-ROWS|-

Tried and slower on 20 M rows: the set's values as a count(DISTINCT) in the scan (7.6 s of processor time for 4.6 s), the key by
its hash first (7.1 s for 5.6 s), places of bad rows collected in the scan and looked up (14.3 s for 12 s, and twice the memory).
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


def check(connection: duckdb.DuckDBPyConnection, path: str) -> dict[str, int]:
    """Return rule -> number of rows that break it, and the number of rows as ``rows``."""
    names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    counts = ", ".join(f"count_if({test})" for test in BAD.values())
    nulls = ", ".join(f"count({name})" for name in names)
    scan = connection.execute(f"SELECT {counts}, count(*), avg(amount), {nulls} FROM '{path}'").fetchone() or ()
    connection.execute(f"""CREATE TEMP TABLE repeated AS SELECT event_id AS e, user_id AS u, count(*) AS n FROM '{path}'
        GROUP BY ALL HAVING count(*) > 1""")
    repeated = connection.execute("SELECT coalesce(sum(n), 0) FROM repeated").fetchone() or (0,)
    connection.execute(f"SELECT region, count(*) FROM '{path}' GROUP BY ALL").fetchall()
    return {**dict(zip(BAD, scan, strict=False)), KEY: int(repeated[0]), "rows": scan[len(BAD)]}


def put_aside(connection: duckdb.DuckDBPyConnection, path: str, target: str) -> int:
    """Write the rows that break a rule, with the rules that they break; returns their number."""
    rules = ", ".join(f"CASE WHEN {test} THEN '{name}' END" for name, test in BAD.items())
    bad = " OR ".join(f"({test})" for test in BAD.values())
    source = f"read_parquet('{path}', filename = true, file_row_number = true)"
    written = connection.execute(f"""COPY (SELECT s.*,
        list_filter([{rules}, CASE WHEN r.n IS NOT NULL THEN '{KEY}' END], lambda x: x IS NOT NULL) AS rules
        FROM {source} s LEFT JOIN repeated r ON s.event_id = r.e AND s.user_id = r.u WHERE {bad} OR r.n IS NOT NULL)
        TO '{target}' (FORMAT parquet, COMPRESSION zstd)""").fetchone()
    return int(written[0]) if written else 0


def main() -> None:
    """Do the work and print what was found."""
    path, target = sys.argv[1:]
    with duckdb.connect(config={"preserve_insertion_order": False}) as connection:
        found = check(connection, path)
        aside = 0 if target == "-" else put_aside(connection, path, target)
    print(json.dumps({**found, "aside": aside}))


if __name__ == "__main__":
    main()
