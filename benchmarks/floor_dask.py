# SPDX-License-Identifier: Apache-2.0
"""Bronze to silver with Dask DataFrame, as somebody who knows it well would write it; and the same steps by the engine, beside it.

    python benchmarks/floor_dask.py ours|floor SOURCE FOLDER
    python benchmarks/floor_dask.py checksum TABLE

Each starts two workers with one thread, then takes the time of the steps: a check of five rules that counts; then clean, dedup, mask, and
write by region. Duplicates by hand: one shuffle by key, then each partition sorted and rid of them. Bad values are not told from missing
ones, whole numbers become doubles, rows are not counted by cause, and whoever reads the folder while it is written sees half of it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from typing import Any

import duckdb

RULES = [
    {"not_null": "order_id"},
    {"between": ["quantity", 1, 8]},
    {"in_set": ["region", ["EU", "US"]]},
    {"unique": "order_id"},
    {"max": ["amount", 0, 2000]},
]
CLEAN = {
    "cast": {"ordered_at": "timestamp", "dep_time": "integer"},
    "drop_nulls": ["dep_time"],
    "keep_if": ["amount > 1"],
    "derive": {"price": "amount / quantity"},
    "dedup": {"keys": ["order_id"], "order_by": ["ordered_at"]},
}


def ours(client: Any, source: str, folder: str) -> dict[str, Any]:
    """Run gate, refine and publish as steps of a Dask job."""
    from airflow_dataops.core.dq_gate.spec import GateResult
    from airflow_dataops.core.layout import RunLayout
    from airflow_dataops.jobs.on_dask import run_step

    lake = f"{folder}/lake"
    target = {"path": f"{lake}/silver", "partition_by": ["region"]}
    common = {"lake": lake, "run": {"pipeline": "bench", "key": "one"}, "slice": {"kind": "full"}}
    masks = {"email": {"kind": "sha256", "salt": {"secret": "env:SALT"}}}
    started = time.perf_counter()
    run_step(
        client,
        job="dq_gate",
        task="gate",
        source={"path": source},
        rules=RULES,
        on_failure="warn",
        examples=0,
        **common,
    )
    gated = time.perf_counter()
    run_step(
        client, job="refine", task="refine", source={"path": source}, clean=CLEAN, masks=masks, target=target, **common
    )
    run_step(client, job="publish", task="publish", target=target, **common)
    ended = time.perf_counter()
    with open(RunLayout(lake, "bench", "one").step_result("gate"), encoding="utf-8") as file:
        found = GateResult.model_validate_json(file.read())
    counts = [outcome.unexpected for outcome in found.rules if outcome.row_rule]
    return {"gate": gated - started, "refine": ended - gated, "bad": counts}


def by_hand(client: Any, source: str, folder: str) -> dict[str, Any]:
    """Do the same with data frames."""
    import dask
    import dask.dataframe as dd

    del client
    started = time.perf_counter()
    frame = dd.read_parquet(source)
    times = frame.groupby("order_id").size(split_out=2)
    bad = [
        frame.order_id.isna().sum(),
        (~frame.quantity.between(1, 8)).sum(),
        (~frame.region.isin(["EU", "US"])).sum(),
        times[times > 1].sum(),
    ]
    *counts, _ = dask.compute(*bad, frame.amount.max())
    gated = time.perf_counter()
    frame = dd.read_parquet(source)
    frame = frame[frame.dep_time.notnull() & (frame.amount > 1)]
    frame["ordered_at"] = dd.to_datetime(frame.ordered_at, format="%Y-%m-%dT%H:%M:%SZ")
    frame["dep_time"] = frame.dep_time.astype("int32")
    frame["price"] = frame.amount / frame.quantity
    frame = frame.shuffle("order_id").map_partitions(_newest)
    frame["email"] = frame.email.map_partitions(_masked, meta=("email", "string"))
    frame.to_parquet(f"{folder}/by_hand", partition_on=["region"], compression="zstd", write_index=False)
    ended = time.perf_counter()
    return {"gate": gated - started, "refine": ended - gated, "bad": [int(count) for count in counts]}


def _newest(frame: Any) -> Any:
    return frame.sort_values("ordered_at").drop_duplicates("order_id", keep="last")


def _masked(column: Any) -> Any:
    import pandas as pd

    return pd.Series(
        [hashlib.sha256(b"pepper" + text.encode()).hexdigest() for text in column], index=column.index, dtype="string"
    )


def checksum(table: str) -> dict[str, str]:
    """Return the number of rows and a sum over all of their values."""
    columns = "order_id::BIGINT, region::VARCHAR, email, ordered_at::TIMESTAMP, dep_time::INT, amount, quantity::INT, note, score, price"
    files = f"'{table}/**/*.parquet'"
    with duckdb.connect() as connection:
        query = f"SELECT count(*), sum(hash({columns})::HUGEINT) FROM read_parquet({files}, hive_partitioning = true)"
        row = connection.execute(query).fetchone() or ()
    return dict(zip(("rows", "sum"), map(str, row), strict=True))


def main() -> None:
    """Do what the arguments say."""
    if sys.argv[1] == "checksum":
        print(json.dumps(checksum(sys.argv[2])))
        return
    from distributed import Client, LocalCluster

    side, source, folder = sys.argv[1:]
    for made in ("lake", "by_hand"):
        if (made == "lake") == (side == "ours"):
            shutil.rmtree(f"{folder}/{made}", ignore_errors=True)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        print(json.dumps((ours if side == "ours" else by_hand)(client, source, folder)))


if __name__ == "__main__":
    main()
