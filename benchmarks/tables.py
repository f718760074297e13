# SPDX-License-Identifier: Apache-2.0
"""The tables that the benchmarks read, made once and kept in the user's cache folder.

python benchmarks/tables.py gate|orders ROWS makes one where it is not there yet, and prints its path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Part of the folder's name: raise it with any change of what is generated.
VERSION = 1
FILES = 6


def cached(kind: str, rows: int) -> str:
    """Return the path of a table, made in a process of its own where it is not there yet.

    Args:
        kind: ``gate`` (one file, 12 columns) or ``orders`` (a folder of six files, 9 columns).
        rows: Number of rows.
    """
    path = _path(kind, rows)
    if not path.exists():
        print(f"generating {rows} rows of {kind} at {path}", flush=True)
        subprocess.run([sys.executable, __file__, kind, str(rows)], check=True, stdout=subprocess.DEVNULL)
    return str(path)


def size_of(path: str) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(entry.stat().st_size for entry in os.scandir(path))


def _path(kind: str, rows: int) -> Path:
    return _root() / f"{kind}-v{VERSION}-{rows}{'.parquet' if kind == 'gate' else ''}"


def _root() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "airflow-dataops", "bench")
    root.mkdir(parents=True, exist_ok=True)
    return root


def _generate(kind: str, rows: int) -> str:
    target = _path(kind, rows)
    if target.exists():
        return str(target)
    making = target.with_name(f"making-{os.getpid()}-{target.name}")
    try:
        if kind == "gate":
            _gate(str(making), rows)
        else:
            _orders(str(making), rows)
        os.replace(making, target)
    finally:
        if making.is_dir():
            shutil.rmtree(making)
        making.unlink(missing_ok=True)
    return str(target)


def _gate(path: str, rows: int, seed: int = 7) -> None:
    """About one row in 500 is bad, and one key in 100,000 occurs twice."""
    import duckdb

    def pick(number: int, below: int) -> str:
        return f"(hash(i * 31 + {seed * 1000 + number}) % {below})"

    duckdb.connect().execute(f"""COPY (SELECT
        CASE WHEN i % 100000 = 99999 THEN i - 1 ELSE i END::BIGINT AS event_id,
        CASE WHEN i % 100000 >= 99998 THEN 7 ELSE {pick(1, 1000000)} END::BIGINT AS user_id,
        CASE WHEN {pick(2, 2000)} = 0 THEN NULL WHEN {pick(3, 5000)} = 0 THEN 'nobody'
             ELSE 'user' || {pick(4, 100000)} || '@example.com' END AS email,
        ({pick(5, 100000)} / 100.0 + CASE WHEN {pick(6, 5000)} = 0 THEN 1000 ELSE 0.5 END)::DOUBLE AS amount,
        ['EU', 'US', 'APAC'][1 + {pick(7, 3)}::INT] AS region,
        TIMESTAMP '2024-01-01' + to_seconds({pick(8, 8640000)}::BIGINT) AS ordered_at,
        TIMESTAMP '2024-01-01' + to_seconds(({pick(8, 8640000)} + CASE WHEN {pick(9, 9000)} = 0 THEN -60 ELSE 3600 END)::BIGINT)
            AS shipped_at,
        ({pick(10, 99)} + CASE WHEN {pick(11, 7000)} = 0 THEN 99 ELSE 0 END)::INT AS quantity,
        'SKU-' || lpad({pick(12, 10000)}::VARCHAR, 5, '0') || CASE WHEN {pick(13, 6000)} = 0 THEN 'x' ELSE '' END AS sku,
        {pick(14, 1000)}::DOUBLE AS score,
        CASE WHEN {pick(15, 500)} = 0 THEN NULL ELSE 10 + {pick(16, 89)} END::INT AS age,
        'note ' || {pick(17, 100000)} AS note
        FROM range({rows}) AS t(i)) TO '{path}' (FORMAT parquet, COMPRESSION zstd)""")


def _orders(folder: str, rows: int) -> None:
    """One row in 40 lacks a time, one key in 100 occurs twice."""
    import duckdb

    os.makedirs(folder)
    for number in range(FILES):
        duckdb.connect().execute(f"""COPY (SELECT
            CASE WHEN i % 100 = 99 THEN i - 1 ELSE i END::BIGINT AS order_id,
            ['EU', 'US', 'APAC'][1 + (hash(i) % 3)::INT] AS region,
            'user' || (hash(i * 3) % 100000) || '@example.com' AS email,
            strftime(TIMESTAMP '2024-01-01' + to_seconds((hash(i * 5) % 31536000)::BIGINT), '%Y-%m-%dT%H:%M:%SZ') AS ordered_at,
            CASE WHEN hash(i * 7) % 40 = 0 THEN NULL ELSE (hash(i * 7) % 2400)::DOUBLE END AS dep_time,
            (hash(i * 11) % 100000) / 100.0::DOUBLE AS amount,
            (1 + hash(i * 13) % 9)::INT AS quantity,
            'note ' || (hash(i * 17) % 100000) AS note,
            (hash(i * 19) % 1000)::DOUBLE AS score
            FROM range({rows * number // FILES}, {rows * (number + 1) // FILES}) AS t(i))
            TO '{folder}/{number}.parquet' (FORMAT parquet, COMPRESSION zstd)""")


if __name__ == "__main__":
    print(_generate(sys.argv[1], int(sys.argv[2])))
