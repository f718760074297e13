# SPDX-License-Identifier: Apache-2.0
"""A Spark application of two executors that counts rows along a write, while one of them is lost or slow.

Run as ``python -m tests.spark.losing MASTER FOLDER CASE``; it prints what was told of ROWS rows, and how many Spark has counted.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlglot import exp

from airflow_dataops.engines.spark_along import SparkAlong
from tests.spark.application import started

ROWS, PARTS = 100, 4
QUERY = """
SELECT * FROM (SELECT id % 10 AS k, MAX(id) AS most FROM counted GROUP BY 1)
LEFT JOIN (SELECT id, MAX(id) AS best FROM beside GROUP BY 1) ON k = id
"""
SETTINGS = {
    "spark.executor.cores": "1",
    "spark.executor.memory": "512m",
    "spark.executor.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    # No task runs before both executors are there, and none waits for a better place.
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "10min",
    "spark.locality.wait": "0s",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
}
SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.quantile": "0.5",
    "spark.speculation.multiplier": "1.0",
    "spark.speculation.minTaskRuntime": "0ms",
}


class Gate:
    """What a task goes through: it says which executor it is on, and may have to wait there until a file comes.

    Args:
        folder: For the files.
        name: Of the gate.
        held: The row that waits; None for none.
    """

    def __init__(self, folder: str, name: str, held: int | None) -> None:
        self.folder, self.name, self.held = folder, name, held

    def __call__(self, row: int) -> int:
        """Go through; a copy of a task does not wait."""
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        executor = parent_of(os.getppid())  # a task's process is a child of the executor's daemon
        waits = row == self.held and context.attemptNumber() == 0
        kind = "held" if waits else "ran"
        Path(self.folder, f"{kind}-{self.name}-{context.partitionId()}-{context.attemptNumber()}").write_text(
            str(executor)
        )
        while waits and not Path(self.folder, "open").exists():
            time.sleep(0.05)
        return row


def parent_of(pid: int) -> int:
    """Return the parent's id of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def until(what: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait for what can be seen."""
    end = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > end:
            raise TimeoutError("it does not come")
        time.sleep(0.05)
    return found


def executors(spark: Any) -> set[str]:
    """Return the ids of the executors that are there."""
    found = spark.sparkContext._jsc.sc().statusStore().executorList(True)
    return {found.apply(n).id() for n in range(found.size())} - {"driver"}


def lose(spark: Any, folder: Path, group: Callable[[], str | None], wanted: int) -> None:
    """Kill the executor on which nothing waits, once so many tasks of the counted rows are done; open the gate once Spark knows.

    Args:
        spark: Session.
        folder: Of the gates.
        group: Returns the name of the jobs, as soon as they have one.
        wanted: How many tasks.
    """
    tracker = spark.sparkContext.statusTracker()

    def done() -> int:
        jobs = filter(None, map(tracker.getJobInfo, tracker.getJobIdsForGroup(group())))
        stages = filter(None, (tracker.getStageInfo(stage) for job in jobs for stage in job.stageIds))
        return max((stage.numCompletedTasks for stage in stages if stage.numTasks == PARTS), default=0)

    try:
        held = until(lambda: [int(told) for path in folder.glob("held-*") if (told := path.read_text())])
        until(lambda: group() and done() >= wanted)
        [lost] = {int(path.read_text()) for path in folder.glob("ran-counted-*")} - set(held)
        before = executors(spark)
        os.kill(lost, signal.SIGKILL)
        until(lambda: before - executors(spark))
        (folder / "lost").touch()
    finally:
        (folder / "open").touch()


def views(spark: Any, folder: Path, case: str) -> SparkAlong:
    """Name the rows that are counted, and those beside them: both go through gates, and one of these may hold a task."""
    from pyspark.sql.functions import udf

    held = {"lost within a stage": "counted", "slow": "counted", "lost between two stages": "beside"}.get(case)
    for name in ("counted", "beside"):
        spark.udf.register(f"through_{name}", udf(Gate(str(folder), name, 0 if name == held else None), "long"))
    spark.range(0, ROWS, 1, PARTS).createOrReplaceTempView("numbers")
    spark.sql("SELECT through_beside(id) AS id FROM RANGE(0, 1, 1, 1)").createOrReplaceTempView("beside")

    def name_view(name: str, query: exp.Query, change: Callable[[Any], Any]) -> None:
        change(spark.sql(query.sql("spark"))).createOrReplaceTempView(name)

    along = SparkAlong(spark, name_view)
    rows = exp.select("through_counted(id) AS id").from_("numbers")
    along.create_view("counted", rows, {"rows": exp.Count(this=exp.Star())})
    return along


def count(spark: Any, folder: Path, case: str) -> dict[str, Any]:
    """Write a table of rows that are counted; returns what is told of them."""
    along = views(spark, folder, case)
    if case.startswith("lost"):
        wanted = PARTS if case == "lost between two stages" else PARTS - 1
        threading.Thread(target=lose, args=(spark, folder, lambda: along._group, wanted), daemon=True).start()
    with along.watching():
        spark.sql(QUERY).write.parquet(str(folder / "table"))
    (folder / "open").touch()
    counted = along._seen["counted"].get["rows"]
    lines = spark.read.parquet(str(folder / "table")).count()
    return {"told": along.counted(), "counted": counted, "lost": (folder / "lost").exists(), "lines": lines}


def main(master: str, folder: Path, case: str) -> None:
    """Run a case."""
    settings = {**SETTINGS, "spark.master": master, **(SPECULATION if case == "slow" else {})}
    with started(folder, settings) as spark:
        print(json.dumps(count(spark, folder, case)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
