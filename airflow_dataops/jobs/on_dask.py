# SPDX-License-Identifier: Apache-2.0
"""A step of a pipeline as a function for the driver of a Dask job: ``airflow_dataops.jobs.on_dask:run_step``."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.errors import SpecError
from airflow_dataops.engines.dask_client import use_client
from airflow_dataops.jobs import secrets, steps


def run_step(client: Any, **spec: Any) -> dict[str, Any]:
    """Run one step on a Dask cluster, and leave its records in the lake as every job does.

    Args:
        client: Client of the cluster.
        spec: The step's spec as JSON, with ``job`` (``dq_gate``, ``refine``, ``publish`` or ``report``); ``engine`` is ``dask``.
            Secrets that it refers to come from the driver's environment, see :mod:`airflow_dataops.jobs.secrets`.

    Returns:
        The short document of :func:`airflow_dataops.jobs.steps.perform`.

    Raises:
        SpecError: The spec is not valid, or asks for another engine.
        DataOpsError: The step failed; its error is on record, too.
    """
    parsed = steps.spec_of(spec, engine="dask")
    if parsed.engine != "dask":
        raise SpecError(
            f"step {parsed.task!r} asks for engine {parsed.engine!r} on a Dask cluster",
            hint="leave engine out, or set engine: dask in the target",
            code="ENGINE_MISMATCH",
        )
    with use_client(client):
        return steps.perform(parsed, secrets.from_environment(parsed))


__all__ = ["run_step"]
