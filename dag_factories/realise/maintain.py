# SPDX-License-Identifier: Apache-2.0
"""Upkeep of the lakes of a project, as an Airflow task."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, BaseOperator

if TYPE_CHECKING:
    from airflow_dataops.clients.job_process import JobProcess


class MaintainProjectOperator(BaseOperator):
    """Look after each lake that the pipelines of a folder write to, in a process of its own.

    Args:
        folder: Folder of the pipelines, absolute; read when the task runs.
        target: Name of a target; None takes the project's default.
        dry_run_only: True only says in the log what would be done.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = ("folder", "target")
    ui_color = "#e8e4d8"

    _process: JobProcess | None = None

    def __init__(self, *, folder: str, target: str | None = None, dry_run_only: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.folder = folder
        self.target = target
        self.dry_run_only = dry_run_only

    def execute(self, context: Any) -> dict[str, list[str]]:  # noqa: ARG002 - Airflow's signature
        """Look after the lakes one after the other; return what was done in each.

        Raises:
            AirflowFailException: A pipeline file cannot be used, or a lake could not be looked after for good.
            TransientError: Something failed that may pass. Airflow retries.
        """
        from airflow_dataops.core.errors import DataOpsError
        from airflow_dataops.hooks._secrets import lookup
        from dag_factories.upkeep import kept, maintain_specs

        try:
            pipelines = kept([Path(self.folder)], target=self.target, lookup=lookup)
            specs = maintain_specs(pipelines, now=datetime.now(UTC), dry_run=self.dry_run_only)
            return {spec.lake: self._maintain(spec) for spec in specs}
        except DataOpsError as error:
            if error.retryable:
                raise
            raise AirflowFailException(str(error)) from error

    def on_kill(self) -> None:
        """End the work at once."""
        if self._process is not None:
            self._process.stop()

    def _maintain(self, spec: Any) -> list[str]:
        from airflow_dataops.clients.job_process import JobProcess

        levels = logging.getLevelNamesMapping()
        self._process = JobProcess("maintain")
        result = self._process.run(spec, {}, on_line=lambda level, text: self.log.log(levels[level], "%s", text))
        actions: list[str] = result["actions"]
        return actions


def maintenance_dag(
    loader: str, folder: Path, *, target: str | None, schedule: str | None, **dag_arguments: Any
) -> DAG:
    """Return the DAG of one :class:`MaintainProjectOperator`; see :func:`dag_factories.load_maintenance`."""
    defaults: dict[str, Any] = {
        "start_date": datetime(2020, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["dataops"],
        "doc_md": "Puts small files together and deletes what nothing needs any more: see `dataops maintain --help`.",
    }
    with DAG(Path(loader).stem, schedule=schedule, **{**defaults, **dag_arguments}) as dag:
        MaintainProjectOperator(task_id="maintain", folder=str(folder), target=target)
    dag.fileloc = loader
    return dag


__all__ = ["MaintainProjectOperator", "maintenance_dag"]
