# SPDX-License-Identifier: Apache-2.0
"""What is told while a run goes on, in a task as in the triggerer: the machine's notes, and the driver's output, line by line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_dataops.triggers._driven import SECONDS_TO_TELL, SECONDS_TO_TELL_ALL, UNTOLD, Listener

if TYPE_CHECKING:
    from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
    from airflow_dataops.clients.dataproc_dask.driver_log import DriverLog
    from airflow_dataops.core.dataproc_dask.driver_log import LogCursor
    from airflow_dataops.core.dataproc_dask.run import DaskRun
    from airflow_dataops.core.dataproc_dask.state import State
    from airflow_dataops.core.dataproc_dask.turn import Step
    from airflow_dataops.triggers._log_budget import LogBudget


class DaskListener(Listener["Step"]):
    """Hears every step.

    Args:
        client: Has the buckets with the driver's output.
        run: What is wanted.
        say: Takes a line for the task's log.
        budget: In a trigger, what all of this process may write together. It leaves the last lines to the task then.
    """

    def __init__(
        self, client: DataprocDaskClient, run: DaskRun, say: Callable[[str], None], budget: LogBudget | None = None
    ) -> None:
        super().__init__(say, budget)
        self._client, self._run = client, run
        self._log: DriverLog | None = None
        self._job = self._uri = ""

    def left(self, state: State) -> LogCursor | None:
        """Return how far the output of a job that has ended was told: the rest is for the task. None where there is no output."""
        from airflow_dataops.core.dataproc_dask.driver_log import LogCursor

        if not state.job_log:
            return None
        return self._log.cursor if self._log is not None and self._job == state.job_id else LogCursor()

    async def aclose(self) -> None:
        """Note how far the driver's output has been told, so that the next process goes on behind it."""
        if self._log is not None and not self.hurried:
            await self._log.store()

    async def stream(self, step: Step) -> None:
        """Tell what the driver has written since the last step; all of it where it has ended, unless that is for the task."""
        from airflow_dataops.core.dataproc_dask.observation import JOB_ENDED
        from airflow_dataops.core.dataproc_dask.state import Phase

        state = step.state
        if self._budget is not None and self._log is not None and state.job_id != self._job:
            await self._tell_before_another(self._log)
        if not state.job_log:
            return
        log = self._log_of(state)
        ended = state.job_state in JOB_ENDED or state.phase in (Phase.DROP, Phase.KEEP, Phase.END)
        if not ended or self._budget is None:
            await self._tell(log, time.monotonic() + SECONDS_TO_TELL, ended=ended)
        if ended:  # what could not be read, or comes late, has the steps of the clean-up left, or the task
            await log.store()

    async def _tell_before_another(self, log: DriverLog) -> None:
        """Tell the rest of a job that another one follows: the task hears of the last one only."""
        await self._tell(log, time.monotonic() + SECONDS_TO_TELL_ALL, ended=True)
        if self.behind:
            self._say(UNTOLD)
        self._log = None

    async def _tell(self, log: DriverLog, until: float, *, ended: bool) -> None:
        while await self.tell(log, await log.pieces(self._uri, ended=ended), until):
            if log.troubled or self.behind:
                break

    def _log_of(self, state: State) -> DriverLog:
        from airflow_dataops.clients.dataproc_dask.driver_log import DriverLog
        from airflow_dataops.clients.dataproc_dask.observe import LOG_CURSOR
        from airflow_dataops.core.dataproc_dask import names

        if self._log is None or self._job != state.job_id:
            uri = self._run.job.spec_uri if self._run.job else None
            store = f"{names.job_folder(uri, state.execution_id)}/{LOG_CURSOR}" if uri else None
            self._log, self._job = DriverLog(self._client.gcs, store_uri=store), state.job_id
        self._uri = state.job_log or ""
        return self._log


__all__ = ["DaskListener"]
