# SPDX-License-Identifier: Apache-2.0
"""Gate, and bronze to silver, with PySpark, as somebody who knows it well would write them; and the engine's steps beside them.

    python benchmarks/floor_spark.py ours|floor gate|aside|refine SOURCE FOLDER CORES

Each starts a Spark application with the same settings, then takes the time of the one step: the clock's, and the processor's of this
process and its JVM. ``gate`` counts what breaks 14 rules and the nulls of each column, ``aside`` writes the bad rows, too, ``refine``
cleans, looks for duplicates, masks, and writes by region (and, of ours, publishes).

By hand, refining reads the rows once: what is dropped and the nulls are counted along by ``observe``, one ``row_number`` says which rows
stay, and REBALANCE brings a region's rows together. Bad values stop the job, ties are not broken, nobody looks whether a task ran twice
and was counted twice, and whoever reads the folder while it is written sees half of it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import Any

from bench_dq_gate import RULES
from floor_dask import CLEAN
from floor_dq_gate import BAD, KEY

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "4g",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
TESTS = {rule: test.replace("regexp_matches", "regexp_like") for rule, test in BAD.items()}


def our_gate(source: str, folder: str, *, aside: bool) -> dict[str, Any]:
    """Run the gate as a step of a driver does."""
    from airflow_dataops.core.dq_gate.spec import GateSpec
    from airflow_dataops.jobs import dq_gate

    given = {"source": {"path": source}, "rules": RULES, "on_failure": "quarantine" if aside else "warn", "examples": 0}
    spec = GateSpec.model_validate({**_common(folder), **given, "slice": {"kind": "full"}, "task": "gate"})
    result = dq_gate.run(spec, progress=lambda _: None)
    counts = {one.id: one.unexpected for one in result.rules if one.row_rule and one.severity == "critical"}
    return {**counts, "rows": result.rows.read, "aside": result.rows.quarantined, "nulls": _nulls(result)}


def gate_by_hand(spark: Any, source: str, folder: str, *, aside: bool) -> dict[str, Any]:
    """Do the same with data frames."""
    frame = spark.read.parquet(source)
    repeated = frame.groupBy("event_id", "user_id").count().filter("count > 1").persist()
    found: dict[str, Any] = {KEY: repeated.selectExpr("coalesce(sum(count), 0)").head()[0], "aside": 0}
    if aside:
        rules = ", ".join(f"IF({test}, '{rule}', NULL)" for rule, test in TESTS.items())
        rows = frame.join(repeated, ["event_id", "user_id"], "left")
        rows = rows.selectExpr(*frame.columns, f"array_compact(array({rules}, IF(count > 1, '{KEY}', NULL))) AS rules")
        rows.filter("size(rules) > 0").write.mode("overwrite").parquet(f"{folder}/bad_rows")
        written = spark.read.parquet(f"{folder}/bad_rows")
        counts = [f"count_if(array_contains(rules, '{rule}'))" for rule in TESTS]
        found |= dict(zip([*TESTS, "aside"], written.selectExpr(*counts, "count(*)").head(), strict=True))
    counts = [] if aside else [f"count_if({test})" for test in TESTS.values()]
    names = frame.columns
    *seen, rows_, _ = frame.selectExpr(*counts, *(f"count({name})" for name in names), "count(*)", "avg(amount)").head()
    found |= dict(zip(TESTS, seen, strict=False)) if counts else {}
    frame.select("region").distinct().count()
    nulls = {name: rows_ - value for name, value in zip(names, seen[len(counts) :], strict=True)}
    return {**found, "rows": rows_, "nulls": nulls}


def our_refine(source: str, folder: str) -> dict[str, Any]:
    """Run refine and publish as steps of a driver do."""
    from airflow_dataops.core.refine.spec import PublishSpec, RefineSpec
    from airflow_dataops.jobs import publish, refine

    target = {"path": f"{folder}/lake/silver", "partition_by": ["region"]}
    common = {**_common(folder), "target": target, "slice": {"kind": "full"}}
    masks = {"email": {"kind": "sha256", "salt": {"secret": "env:SALT"}}}
    given = {"source": {"path": source}, "clean": CLEAN, "masks": masks, "task": "refine"}
    result = refine.run(
        RefineSpec.model_validate({**common, **given}), secrets={"env:SALT": "pepper"}, progress=lambda _: None
    )
    publish.run(PublishSpec.model_validate({**common, "task": "publish"}), progress=lambda _: None)
    rows = result.rows
    return {
        "read": rows.read,
        "dropped": list(rows.dropped.values()),
        "lost": rows.deduplicated,
        "nulls": _nulls(result),
    }


def refine_by_hand(spark: Any, source: str, folder: str) -> dict[str, Any]:
    """Do the same with data frames."""
    from pyspark.sql import Observation, Window
    from pyspark.sql.functions import desc, expr, row_number

    kept, final = Observation("kept"), Observation("final")
    frame = spark.read.parquet(source).withColumns(
        {"ordered_at": expr("CAST(ordered_at AS TIMESTAMP_NTZ)"), "dep_time": expr("CAST(dep_time AS INT)")}
    )
    drops = ["count_if(dep_time IS NULL)", "count_if(dep_time IS NOT NULL AND NOT amount > 1)"]
    frame = frame.observe(kept, expr("count(*) AS read"), *(expr(f"{one} AS d{i}") for i, one in enumerate(drops)))
    frame = frame.filter("dep_time IS NOT NULL AND amount > 1").withColumn("price", expr("amount / quantity"))
    newest = Window.partitionBy("order_id").orderBy(desc("ordered_at"))
    frame = frame.withColumn("place", row_number().over(newest)).filter("place = 1").drop("place")
    frame = frame.withColumn("email", expr("sha2(concat('pepper', email), 256)"))
    names = frame.columns
    frame = frame.observe(final, expr("count(*) AS written"), *(expr(f"count({name}) AS `n_{name}`") for name in names))
    frame = spark.sql("SELECT /*+ REBALANCE(region) */ * FROM {frame}", frame=frame)
    frame.write.partitionBy("region").parquet(f"{folder}/by_hand")
    first, last = kept.get, final.get
    nulls = {name: last["written"] - last[f"n_{name}"] for name in names}
    dropped = [first["d0"], first["d1"]]
    lost = first["read"] - sum(dropped) - last["written"]
    return {"read": first["read"], "dropped": dropped, "lost": lost, "nulls": nulls}


def _common(folder: str) -> dict[str, Any]:
    return {"lake": f"{folder}/lake", "run": {"pipeline": "bench", "key": "one"}, "engine": "spark"}


def _nulls(result: Any) -> dict[str, int]:
    return {column.name: column.nulls for column in result.columns}


def _step(spark: Any, side: str, step: str, source: str, folder: str) -> dict[str, Any]:
    if step == "refine":
        return our_refine(source, folder) if side == "ours" else refine_by_hand(spark, source, folder)
    if side == "ours":
        return our_gate(source, folder, aside=step == "aside")
    return gate_by_hand(spark, source, folder, aside=step == "aside")


def _cpu(spark: Any) -> float:
    """Return the processor seconds of this process and its JVM so far; of Linux."""
    with open(f"/proc/{spark.sparkContext._gateway.proc.pid}/stat", encoding="utf-8") as file:
        ticks = file.read().rpartition(")")[2].split()[11:13]
    own = os.times()
    return own.user + own.system + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Do what the arguments say."""
    from pyspark.sql import SparkSession

    side, step, source, folder, cores = sys.argv[1:]
    shutil.rmtree(f"{folder}/{'lake' if side == 'ours' else 'by_hand'}", ignore_errors=True)
    builder = SparkSession.builder.master(f"local[{cores}]").config("spark.sql.shuffle.partitions", str(8 * int(cores)))
    own = {"spark.local.dir": f"{folder}/spark", "spark.sql.warehouse.dir": f"file://{folder}/warehouse"}
    for name, value in {**SETTINGS, **own}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    wall, cpu = time.perf_counter(), _cpu(spark)
    found = _step(spark, side, step, source, folder)
    taken = {"wall": time.perf_counter() - wall, "cpu": _cpu(spark) - cpu}
    spark.stop()
    print(json.dumps({"found": found, **taken}))


if __name__ == "__main__":
    main()
