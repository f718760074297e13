# SPDX-License-Identifier: Apache-2.0
"""Bronze to silver by hand, the quickest way that was found: COPY (SELECT …), or the same SELECT streamed into write_deltalake once.

    python benchmarks/floor_refine.py FOLDER TABLE parquet|delta plain|dedup
    python benchmarks/floor_refine.py TABLE checksum parquet|delta

Duplicates: the keys that occur twice are found first, their rows ranked, and the losers left out by their place. On 20 M rows that takes
20 s where QUALIFY row_number() over all rows takes 33 s, DISTINCT ON more memory than that. Ties are not broken, rows are not counted by
cause, files are not made durable, and whoever reads the folder while it is written sees half a table.
"""

from __future__ import annotations

import json
import shutil
import sys

import duckdb

KEEP = "WHERE dep_time IS NOT NULL AND amount > 1"
COLUMNS = "order_id, region, email, ordered_at, dep_time, amount, quantity, note, score, price"


def select(connection: duckdb.DuckDBPyConnection, source: str, *, dedup: bool) -> str:
    """Return the query of the cleaned rows; with ``dedup`` the rows that lose are looked for at once."""
    files = f"read_parquet('{source}/*.parquet', filename = true, file_row_number = true)"
    losers = ""
    if dedup:
        connection.execute(
            f"CREATE TEMP TABLE repeated AS SELECT order_id FROM {files} {KEEP} GROUP BY ALL HAVING count(*) > 1"
        )
        connection.execute(f"""CREATE TEMP TABLE losers AS SELECT filename AS f, file_row_number AS r
            FROM (SELECT order_id, CAST(ordered_at AS TIMESTAMP) AS ordered_at, filename, file_row_number FROM {files}
                  {KEEP} AND order_id IN (SELECT order_id FROM repeated))
            QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY ordered_at DESC) > 1""")
        losers = "AND NOT EXISTS (SELECT 1 FROM losers WHERE f = filename AND r = file_row_number)"
    return f"""SELECT order_id, region, sha256('pepper' || email) AS email, CAST(ordered_at AS TIMESTAMP) AS ordered_at,
        CAST(dep_time AS INTEGER) AS dep_time, amount, quantity, note, score, amount / quantity AS price
        FROM {files} {KEEP} {losers}"""


def write(source: str, table: str, fmt: str, *, dedup: bool) -> None:
    """Do the work."""
    # Half the memory of the default threshold, and quicker, since less memory is touched for the first time.
    settings = {"preserve_insertion_order": False, "partitioned_write_flush_threshold": 122880}
    with duckdb.connect(config=settings) as connection:
        query = select(connection, source, dedup=dedup)
        if fmt == "parquet":
            connection.execute(f"COPY ({query}) TO '{table}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (region))")
            return
        from deltalake import WriterProperties, write_deltalake

        reader = connection.sql(query).to_arrow_reader(122880)
        properties = WriterProperties(compression="ZSTD", max_row_group_size=122880)
        write_deltalake(table, reader, partition_by=["region"], writer_properties=properties)


def checksum(table: str, fmt: str) -> dict[str, str]:
    """Return the number of rows and a sum over all of their values."""
    files = f"'{table}/**/*.parquet'"
    if fmt == "delta":
        from deltalake import DeltaTable

        files = str(DeltaTable(table).file_uris())
    with duckdb.connect() as connection:
        query = f"SELECT count(*), sum(hash({COLUMNS})::HUGEINT) FROM read_parquet({files}, hive_partitioning = true)"
        row = connection.execute(query).fetchone() or ()
    return dict(zip(("rows", "sum"), map(str, row), strict=True))


def main() -> None:
    """Do what the arguments say."""
    if sys.argv[2] == "checksum":
        print(json.dumps(checksum(sys.argv[1], sys.argv[3])))
        return
    source, table, fmt, steps = sys.argv[1:]
    shutil.rmtree(table, ignore_errors=True)
    write(source, table, fmt, dedup=steps == "dedup")
    print(json.dumps({"table": table}))


if __name__ == "__main__":
    main()
