# SPDX-License-Identifier: Apache-2.0
"""Dask on Dataproc, driven in a task or a trigger."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_dataops.triggers._dask_listener import DaskListener
from airflow_dataops.triggers._driven import Driven

if TYPE_CHECKING:
    from airflow_dataops.clients.google import GoogleSettings
    from airflow_dataops.core.dataproc_dask.run import DaskRun
    from airflow_dataops.core.dataproc_dask.state import State
    from airflow_dataops.core.dataproc_dask.turn import Step
    from airflow_dataops.triggers._log_budget import LogBudget


class DaskDriven(Driven["Step"]):
    """One run of Dask.

    Args:
        settings: Where Google is, and as whom it is asked.
        run: What is wanted.
        say: Takes a line for the task's log.
        budget: In a trigger, what all of this process may write together.
    """

    def __init__(
        self, settings: GoogleSettings, run: DaskRun, say: Callable[[str], None], budget: LogBudget | None = None
    ) -> None:
        from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient

        self.client = DataprocDaskClient(settings)
        self.listener: DaskListener = DaskListener(self.client, run, say, budget)
        self._run = run

    async def drive(self, step: Step, until: Callable[[Step], bool] | None = None) -> Step:
        """Perform steps until the run is over, or until ``until`` says so; returns the last one."""
        from airflow_dataops.clients.dataproc_dask.drive import drive

        return await drive(self.client, self._run, step, hear=self.listener, until=until)

    def resume(self, state: State) -> Step:
        """Return the first step after a state that another process had."""
        from airflow_dataops.clients.dataproc_dask.drive import utcnow
        from airflow_dataops.core.dataproc_dask.lifecycle import resume

        return resume(self._run, state, utcnow())

    def stop(self, state: State, why: str) -> Step:
        """Return the first step of ending the run now."""
        from airflow_dataops.clients.dataproc_dask.drive import utcnow
        from airflow_dataops.core.dataproc_dask.lifecycle import stop

        return stop(self._run, state, utcnow(), why=why, wait=False)

    async def aclose(self) -> None:
        """Let go of the connection to Google."""
        await self.client.aclose()

    def close(self) -> None:
        """Let go of the connection to Google."""
        self.client.close()
