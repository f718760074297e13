# SPDX-License-Identifier: Apache-2.0
"""A lake with a small slice of the real flights, pipelines over it, and what they leave, as rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

FLIGHTS = Path(__file__).resolve().parents[3] / "example_dags/lake/bronze/flights/2013/03/flights.parquet"
RUN_DATE = "2024-01-02T00:00:00Z"
RUN_KEY = "2024-01-02T000000"
STUB = '''"""The airflow dag of {name}."""
from dag_factories import load_dag

dag = load_dag(__file__)
'''
PROJECT = """\
version: 1
targets: {local: {lake: ./lake}}
defaults: {retries: 4, retry_delay: 1s}
masks:
  aircraft: {kind: sha256, salt: "${var:aircraft_salt}"}
  place: {kind: sha256, salt: "${conn:places.password}"}
  airline: {kind: sha256, salt: "${env:AIRLINE_SALT}"}
alerts:
  pager: {notifier: webhook, url: "${var:pager_url}", attempts: 1}
"""
PIPELINE = """\
version: 1
kind: bronze_to_silver
name: NAME
description: One week of flights
schedule: null
start_date: 2024-01-01
source: {path: "${lake}/bronze/flights"}
target: {path: "${lake}/silver/NAME", format: FORMAT, partition_by: [day]}
full: true
columns:
  tailnum: {tags: [aircraft]}
  dest: {tags: [place]}
  carrier: {tags: [airline]}
clean:
  cast: {dep_time: integer, time_hour: timestamp}
  drop_nulls: [arr_time]
  derive: {speed: "distance / (air_time / 60)"}
  dedup: {keys: [year, month, day, carrier, flight, origin], keep: last, order_by: [time_hour]}
quality:
  bronze: {rules: [{not_null: dep_time}, {between: [distance, 1, 6000]}, {compound_unique: {columns: [day, carrier, flight, origin], severity: warning}}],
           on_failure: quarantine}
  silver: {rules: [{not_null: tailnum}, {row_count: {min: 1}}]}
alerts: {critical: pager, warning: pager}
"""


FAILING = ('derive: {speed: "distance / (air_time / 60)"}', 'derive: {speed: "cast(tailnum as integer)"}')


def make_project(folder: Path, pipelines: dict[str, str]) -> None:
    """Write ``dataops.yaml``, the bronze table, and for each name -> text a pipeline with its stub."""
    bronze = folder / "lake/bronze/flights"
    bronze.mkdir(parents=True)
    flights = pq.read_table(FLIGHTS)
    # The first week, and a few of its flights once more.
    week = flights.slice(0, 6000)
    pq.write_table(week, bronze / "week.parquet")
    pq.write_table(week.slice(100, 50), bronze / "again.parquet")
    (folder / "dataops.yaml").write_text(PROJECT)
    for name, text in pipelines.items():
        (folder / f"{name}.yaml").write_text(text)
        (folder / f"{name}.py").write_text(STUB.format(name=name))


def pipeline(name: str, table_format: str) -> str:
    """Return a pipeline's text."""
    return PIPELINE.replace("NAME", name).replace("FORMAT", table_format)


def silver(lake: Path, name: str) -> Counter[str]:
    """Return how often each row is in a table; a Delta table is read as its log says."""
    folder = lake / "silver" / name
    if (folder / "_delta_log").is_dir():
        from deltalake import DeltaTable

        return _rows(DeltaTable(str(folder)).to_pyarrow_table())
    return _rows(pq.read_table(folder))


def quarantine(lake: Path, name: str) -> Counter[str]:
    """Return how often each row is in a pipeline's quarantine, without what tells one pipeline and lake from another."""
    folder = lake / "quarantine" / name / f"run_key={RUN_KEY}"
    table = pq.read_table(folder, partitioning=None)
    return _rows(table.drop_columns(["_dataops_pipeline", "_dataops_source_file", "_dataops_time"]))


def _rows(table: Any) -> Counter[str]:
    return Counter(str(sorted(row.items())) for row in table.to_pylist())
