# SPDX-License-Identifier: Apache-2.0
"""The engine that a job's spec names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from airflow_dataops.core.tables import JobSpec

if TYPE_CHECKING:
    from airflow_dataops.engines.base import Engine


def engine_for(spec: JobSpec) -> Engine:
    """Return the engine of a job, with the job's limits; use it as a context manager."""
    if spec.engine == "dask":
        from airflow_dataops.engines.dask import dask_engine

        return dask_engine(spec.resources)
    if spec.engine == "spark":
        from airflow_dataops.engines.spark import spark_engine

        return spark_engine(spec.resources)
    from airflow_dataops.engines.duckdb import duckdb_engine

    return duckdb_engine(spec.resources)


@contextmanager
def engine_on_demand(spec: JobSpec) -> Iterator[Engine]:
    """Give the engine of a job that may have nothing for it to do: it starts when it is first asked for something."""
    engine = _OnDemand(spec)
    try:
        yield cast("Engine", engine)
    finally:
        engine.end()


class _OnDemand:
    def __init__(self, spec: JobSpec) -> None:
        self._spec = spec
        self._engine: Engine | None = None

    def __getattr__(self, name: str) -> Any:
        if self._engine is None:
            self._engine = engine_for(self._spec)
        return getattr(self._engine, name)

    def end(self) -> None:
        """Close the engine, if it has started."""
        if self._engine is not None:
            self._engine.close()
