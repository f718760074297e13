# SPDX-License-Identifier: Apache-2.0
"""A function on a Dask of this machine: the spec and the result of the job ``dask_job``."""

from __future__ import annotations

from typing import Any, Literal

from airflow_dataops.core.dataproc_dask.spec import Adapt
from airflow_dataops.core.tables import JobResult, JobSpec


class DaskJobSpec(JobSpec):
    """What to run. The same function, arguments and workers as on a cluster.

    Attributes:
        function: ``module:function``; it is called with the Dask client and ``args``.
        args: Keyword arguments, JSON.
        workers: Dask workers, or bounds, of which the upper one counts; None for one a core. No more than there are cores.
        code: Folders and zip archives that the module is imported from.
    """

    job: Literal["dask_job"] = "dask_job"
    engine: Literal["dask"] = "dask"
    function: str
    args: dict[str, Any] = {}
    workers: int | Adapt | None = None
    code: list[str] = []


class DaskJobResult(JobResult):
    """What the function returned, and with how many workers.

    Attributes:
        value: What it returned, JSON.
        workers: Dask workers that were there.
    """

    job: Literal["dask_job"] = "dask_job"
    value: Any = None
    workers: int = 0


__all__ = ["DaskJobResult", "DaskJobSpec"]
