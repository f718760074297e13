# SPDX-License-Identifier: Apache-2.0
"""What a driver has written last, and the trigger has left to the task.

Airflow closes a trigger's log with its event, and lines that are still in the triggerer's pipe by then come into no task's log.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING

from airflow_dataops.operators.dataproc_dask import _steps

if TYPE_CHECKING:
    from airflow_dataops.clients.dataproc_dask.driver_log import DriverLog
    from airflow_dataops.clients.gcs import Gcs
    from airflow_dataops.core.dataproc_dask.summary import Summary
    from airflow_dataops.core.dataproc_dask.turn import Step
    from airflow_dataops.operators.dataproc_dask._steps import DaskOperator

_MOST_TRIES = 4
_SECONDS_BETWEEN_TRIES = 2.0


def tell_rest(operator: DaskOperator, summary: Summary) -> None:
    """Tell what the driver has written and the trigger has not told. Never raises: how the run ended is known."""
    if summary.log is None or not summary.log_uri:
        return
    try:
        from airflow_dataops.clients.dataproc_dask.driver_log import DriverLog
        from airflow_dataops.clients.dataproc_dask.observe import LOG_CURSOR
        from airflow_dataops.clients.drive import run_blocking

        folder = (summary.result_uri or "").rpartition("/")[0]
        with gcs_of(operator, summary.project, summary.region) as gcs:
            log = DriverLog(gcs, summary.log, store_uri=f"{folder}/{LOG_CURSOR}" if folder else None)
            run_blocking(_tell(operator, log, summary.log_uri))
    except Exception as error:  # noqa: BLE001  whatever it is, it changes nothing about the run
        operator.log.warning("what the driver has written last cannot be read: %s (see %s)", error, summary.log_uri)


def gcs_of(operator: DaskOperator, project: str, region: str) -> AbstractContextManager[Gcs]:
    """Return the buckets, as whom the task asks Google; they are closed behind the block."""
    from airflow_dataops.clients.gcs import Gcs
    from airflow_dataops.hooks.dataproc_dask import DataprocDaskHook

    hook = DataprocDaskHook(**_steps.connection_of(operator))
    return closing(Gcs(hook.settings(project, region)))


async def _tell(operator: DaskOperator, log: DriverLog, uri: str) -> None:
    from airflow_dataops.triggers._driven import Listener

    listener: Listener[Step] = Listener(_steps.say_of(operator))
    for number in range(_MOST_TRIES):
        if number:
            await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
        while await listener.tell(log, await log.pieces(uri, ended=True), math.inf):
            pass
        if not log.troubled:
            break
    if log.troubled:
        operator.log.warning("what the driver has written last cannot be read, and is not told; see %s", uri)
    elif log.missing:
        operator.log.warning("there is no output of the driver (any more) at %s", uri)
    else:
        await log.store()
