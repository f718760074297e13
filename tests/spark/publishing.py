# SPDX-License-Identifier: Apache-2.0
"""Two deliveries, refined and published one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from airflow_dataops.core.refine.spec import CleanSpec, DedupSpec, PublishSpec, RefineSpec
from airflow_dataops.core.tables import EngineName, FullSlice, SourceSpec, TargetSpec
from airflow_dataops.jobs import publish, refine
from tests.comparing import document, pieces
from tests.faults.tables import Rows, read_table
from tests.spark.comparing import RUN

SCHEMA = pa.schema([("id", pa.int64()), ("team", pa.string()), ("amount", pa.decimal128(10, 2)), ("note", pa.string())])


def deliveries(folder: Path) -> list[str]:
    """Write two deliveries; the second changes rows of the first, moves one to another team, and adds some."""
    first = [{"id": n, "team": "ab "[n % 3], "amount": n, "note": None if n % 2 else f"ü{n}"} for n in range(12)]
    second = [{"id": n, "team": "ac"[n % 2], "amount": -n, "note": "new"} for n in range(9, 15)]
    return [
        pieces(folder / str(number), rows, SCHEMA, [4]) for number, rows in enumerate((first, [*second, second[0]]))
    ]


def made(lake: Path, sources: list[str], engine: EngineName, target: TargetSpec) -> tuple[list[Any], Rows]:
    """Refine and publish one delivery after the other; returns the results, and the rows of the table."""
    found = []
    for number, source in enumerate(sources):
        more: dict[str, Any] = {"lake": str(lake), "slice": FullSlice(), "target": target, "engine": engine}
        more["run"] = RUN.model_copy(update={"key": f"k{number}"})
        clean = CleanSpec(derive={"double": "amount * 2"}, dedup=DedupSpec(keys=["id"], order_by=["amount"]))
        refined = refine.run(
            RefineSpec(task="refine", source=SourceSpec(path=source), clean=clean, **more), progress=lambda _: None
        )
        done = publish.run(PublishSpec(task="publish", **more), progress=lambda _: None)
        found += [document(result, str(lake)) for result in (refined, done)]
    return found, read_table(target.path, target.format)
