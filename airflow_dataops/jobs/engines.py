# SPDX-License-Identifier: Apache-2.0
"""The engine that a job's spec names."""

from __future__ import annotations

from airflow_dataops.core.tables import JobSpec
from airflow_dataops.engines.base import Engine


def engine_for(spec: JobSpec) -> Engine:
    """Return the engine of a job, with the job's limits; use it as a context manager."""
    from airflow_dataops.engines.duckdb import duckdb_engine

    return {"duckdb": duckdb_engine}[spec.engine](spec.resources)
