# SPDX-License-Identifier: Apache-2.0
"""The one trigger of all Dask operators: it drives the machine to its end, and survives every restart of the triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dataops.triggers._machine import _MachineTrigger

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.state import State
    from airflow_dataops.core.dataproc_dask.turn import Step
    from airflow_dataops.triggers._dask_driven import DaskDriven


class DataprocDaskTrigger(_MachineTrigger):
    """Go on with a run where a task left it, and fire one event with its summary.

    A triggerer that restarts makes the trigger anew with the same arguments: it looks at what is there, makes nothing twice and deletes
    nothing that is still wanted. A task that a person marks or clears ends its run: on Airflow 3.3 by :meth:`on_kill`; on Airflow 2, whose
    triggers have none, by a look at the task's state when the trigger is cancelled.

    Args:
        run: The run as JSON.
        state: What is remembered, as JSON.
        connection: Arguments of :class:`~airflow_dataops.hooks.dataproc_dask.DataprocDaskHook`.
        rate_card: Prices as JSON; None tells no cost.
    """

    _else_ended_by = "the janitor or the time to live ends it"

    def __init__(
        self,
        run: dict[str, Any],
        state: dict[str, Any],
        connection: dict[str, Any],
        rate_card: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.run_document = run
        self.state_document = state
        self.connection = connection
        self.rate_card = rate_card
        self._driven: DaskDriven | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class and its arguments."""
        arguments = {
            "run": self.run_document,
            "state": self.state_document,
            "connection": self.connection,
            "rate_card": self.rate_card,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    def _open(self) -> DaskDriven:
        from airflow_dataops.core.dataproc_dask.run import DaskRun
        from airflow_dataops.hooks.dataproc_dask import DataprocDaskHook
        from airflow_dataops.triggers._dask_driven import DaskDriven
        from airflow_dataops.triggers._log_budget import SHARED

        run = DaskRun.model_validate(self.run_document)
        settings = DataprocDaskHook(**self.connection).settings(run.cluster.project, run.cluster.region)
        return DaskDriven(settings, run, lambda line: self.log.info("%s", line), SHARED)

    def _state(self) -> State:
        from airflow_dataops.core.dataproc_dask.state import State

        return State.model_validate(self.state_document)

    def _told(self, ended: Step) -> dict[str, Any]:
        from airflow_dataops.clients.dataproc_dask.drive import utcnow
        from airflow_dataops.core.dataproc_dask.budget import RateCard
        from airflow_dataops.core.dataproc_dask.run import DaskRun
        from airflow_dataops.core.dataproc_dask.summary import summarise

        card = RateCard.model_validate(self.rate_card) if self.rate_card else None
        driven = self._driven or self._open()
        run = DaskRun.model_validate(self.run_document)
        summary = summarise(run, ended.state, card, utcnow(), driven.client.histories)
        return summary.model_copy(update={"log": driven.listener.left(ended.state)}).model_dump(mode="json")


__all__ = ["DataprocDaskTrigger"]
