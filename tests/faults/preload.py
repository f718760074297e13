# SPDX-License-Identifier: Apache-2.0
"""Imported by the process that forks runs: what a job imports when it needs it is there already, and a fork starts in milliseconds."""

from __future__ import annotations

import importlib
from typing import Any

for _name in (
    "duckdb", "pyarrow.compute", "pyarrow.parquet", "deltalake.transaction", "airflow_dataops.core.slices",
    "airflow_dataops.engines.duckdb", "airflow_dataops.engines.duckdb_decode", "airflow_dataops.engines.duckdb_write",
    "airflow_dataops.jobs.publish_delta", "airflow_dataops.jobs.publish_parquet", "airflow_dataops.report.page", "tests.faults.planted", "tests.faults.steps",
):  # fmt: skip
    importlib.import_module(_name)

page: Any = importlib.import_module("airflow_dataops.report.page")
page._environment().get_template("page.html.j2")
