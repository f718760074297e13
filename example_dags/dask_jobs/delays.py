# SPDX-License-Identifier: Apache-2.0
"""Delays by carrier and month. Nothing here knows where it runs: on a laptop and on a cluster it is the same function."""

from __future__ import annotations

import io
from typing import Any

import fsspec
import pandas as pd
from distributed import Client, as_completed

KEYS = ["year", "month", "carrier"]
LATE_FROM = 15  # minutes; how the industry counts


def by_carrier_and_month(client: Client, flights: str, output: str) -> dict[str, Any]:
    """Count on the workers, a task a file, merge what they counted there too, and write one small Parquet table.

    Args:
        client: Client of the cluster.
        flights: Folder of the flights, a path or a URI, with Parquet files at any depth.
        output: Folder of the table that is written.

    Returns:
        What was read and made; shown as the task's result.
    """
    storage, folder = fsspec.core.url_to_fs(flights)
    files = sorted(storage.unstrip_protocol(path) for path in storage.glob(f"{folder}/**/*.parquet"))
    if not files:
        raise FileNotFoundError(f"there are no Parquet files below {flights}")
    counted = client.map(count, files)
    for number, _ in enumerate(as_completed(counted), start=1):
        print(f"{number} of {len(files)} files counted")
    while len(counted) > 1:  # a tree, so that no worker has to hold what all of them counted
        counted = [client.submit(merge, counted[start : start + 4]) for start in range(0, len(counted), 4)]
    table = client.submit(statistics, counted[0])
    written = client.submit(write, table, f"{output}/delays.parquet")
    made = table.result()
    return {
        "files": len(files),
        "flights": int(made["flights"].sum()),
        "cancelled": int(made["cancelled"].sum()),
        "rows": len(made),
        "table": written.result(),
    }


def count(file: str) -> pd.DataFrame:
    """Return how many flights of a file had each delay; of those that never arrived the delay is not there."""
    rows = pd.read_parquet(file, columns=[*KEYS, "arr_delay"])
    return rows.groupby([*KEYS, "arr_delay"], dropna=False).size().rename("flights").reset_index()


def merge(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Add up counts; parts may be merged in any order and grouping."""
    return pd.concat(parts).groupby([*KEYS, "arr_delay"], dropna=False)["flights"].sum().reset_index()


def statistics(counts: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each carrier and month: exact, since every delay was counted and none was averaged on the way."""
    rows = [dict(zip(KEYS, key, strict=True)) | describe(group) for key, group in counts.groupby(KEYS)]
    return pd.DataFrame(rows)


def describe(group: pd.DataFrame) -> dict[str, Any]:
    """Return the statistics of one carrier in one month."""
    arrived = group.dropna(subset="arr_delay").sort_values("arr_delay")
    delay, flights = arrived["arr_delay"], arrived["flights"]
    total, so_far = int(flights.sum()), flights.cumsum()
    at = {name: float(delay[so_far >= share * total].iloc[0]) if total else None for name, share in QUANTILES.items()}
    return {
        "flights": int(group["flights"].sum()),
        "cancelled": int(group["flights"].sum()) - total,
        "late_share": float(flights[delay > LATE_FROM].sum() / total) if total else None,
        "mean_delay": float((delay * flights).sum() / total) if total else None,
        **at,
    }


QUANTILES = {"median_delay": 0.5, "p95_delay": 0.95}


def write(table: pd.DataFrame, path: str) -> str:
    """Write the table, and return its path."""
    storage, file = fsspec.core.url_to_fs(path, auto_mkdir=True) if "://" not in path else fsspec.core.url_to_fs(path)
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    storage.pipe_file(file, content.getvalue())
    return path
