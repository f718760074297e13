# SPDX-License-Identifier: Apache-2.0
"""What is told while a run goes on, in a task as in the triggerer: the machine's notes, and the driver's output, line by line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_dataops.triggers._driven import Listener

if TYPE_CHECKING:
    from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
    from airflow_dataops.clients.dataproc_dask.driver_log import DriverLog
    from airflow_dataops.core.dataproc_dask.run import DaskRun
    from airflow_dataops.core.dataproc_dask.state import State
    from airflow_dataops.core.dataproc_dask.turn import Step


class DaskListener(Listener["Step"]):
    """Hears every step.

    Args:
        client: Has the buckets with the driver's output.
        run: What is wanted.
        say: Takes a line for the task's log.
    """

    def __init__(self, client: DataprocDaskClient, run: DaskRun, say: Callable[[str], None]) -> None:
        super().__init__(say)
        self._client, self._run = client, run
        self._log: DriverLog | None = None
        self._job = ""

    async def aclose(self) -> None:
        """Note how far the driver's output has been told, so that the next process goes on behind it."""
        if self._log is not None and not self.hurried:
            await self._log.store()

    async def stream(self, step: Step) -> None:
        """Tell what the driver has written since the last step."""
        from airflow_dataops.core.dataproc_dask.observation import JOB_ENDED
        from airflow_dataops.core.dataproc_dask.state import Phase

        state = step.state
        if not state.job_log:
            return
        log = self._log_of(state)
        ended = state.job_state in JOB_ENDED or state.phase in (Phase.DROP, Phase.KEEP, Phase.END)
        while lines := await log.lines(state.job_log, ended=ended):
            for line in lines:
                self._say(line)
            if log.troubled:
                break
        if ended:  # what could not be read, or comes late, has the steps of the clean-up left
            await log.store()

    def _log_of(self, state: State) -> DriverLog:
        from airflow_dataops.clients.dataproc_dask.driver_log import DriverLog
        from airflow_dataops.core.dataproc_dask import names

        if self._log is None or self._job != state.job_id:
            uri = self._run.job.spec_uri if self._run.job else None
            store = f"{names.job_folder(uri, state.execution_id)}/log-cursor.json" if uri else None
            self._log, self._job = DriverLog(self._client.gcs, store_uri=store), state.job_id
        return self._log


__all__ = ["DaskListener"]
