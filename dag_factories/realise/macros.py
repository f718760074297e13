# SPDX-License-Identifier: Apache-2.0
"""The macros behind ``${…}``: what a reference stands for, asked while a task's fields are rendered on the worker."""

from __future__ import annotations

from typing import Any


class Macros:
    """``{{ dataops.run(dag_run, 'date') }}`` and its like.

    Args:
        pipeline: Name of the pipeline.
        timezone: IANA name of its time zone.
    """

    def __init__(self, pipeline: str, timezone: str) -> None:
        self._pipeline, self._timezone = pipeline, timezone

    def run(self, dag_run: Any, name: str) -> str:
        """Return what ``${run.<name>}`` stands for."""
        from airflow_dataops.operators._context import run_of

        return run_of({"dag_run": dag_run}, self._pipeline, self._timezone).value(name)

    def env(self, name: str) -> str:
        """Return a variable of the worker's environment."""
        return _lookup(f"env:{name}")

    def var(self, name: str) -> str:
        """Return an Airflow variable."""
        return _lookup(f"var:{name}")

    def conn(self, name: str) -> str:
        """Return a connection as a URI, or one field of it (``lake.host``, ``lake.extra.endpoint_url``)."""
        return _lookup(f"conn:{name}")


def _lookup(name: str) -> str:
    from airflow_dataops.hooks._secrets import lookup

    return lookup(name)
