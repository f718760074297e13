# SPDX-License-Identifier: Apache-2.0
"""A real Airflow, of either version, with one DAG for each death, and a project of the fake for each DAG."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.airflow_kill.estate import PATIENCE, RUN, A, Runs, airflow_with
from tests.integration.airflow_kill.stack import wait_for
from tests.integration.dataproc_dask.setting import CONNECTION, Setting, connection_to
from tests.services.dataproc_fake.running import ROOTS, FakeDataproc, Project


@dataclass
class Estate(Runs[A]):
    """An Airflow, and a project of the fake for each of its DAGs."""

    settings: dict[str, Setting]

    def project(self, name: str) -> Project:
        return self.settings[name].dataproc

    def running(self, name: str) -> None:
        """Wait until the job of a DAG runs."""
        wait_for(f"the job of {name}", lambda: self.project(name).calls("SubmitJob"), PATIENCE)

    def deferred(self, name: str) -> None:
        """Wait until the job of a DAG runs, and its task is deferred."""
        self.running(name)
        self.wait_for_deferral(name)

    def check_one_of_each(self, name: str) -> None:
        clusters = self.project(name).bill()["clusters"]
        assert [cluster["gone"] is not None for cluster in clusters] == [True]
        assert len({call["name"] for call in self.project(name).calls("SubmitJob")}) == 1


@contextmanager
def estate_of(kind: type[A], server: FakeDataproc, folder: Path, deferred: Mapping[str, bool]) -> Iterator[Estate[A]]:
    """An Airflow with all DAGs on their way.

    Args:
        kind: Which Airflow.
        server: The fake.
        folder: For everything.
        deferred: Name of a DAG -> whether its task waits in the triggerer.
    """
    settings = {name: Setting(server.project(dask_workers=0)) for name in deferred}
    # The driver that stands in gives no sign of life, and on a busy machine minutes go by until the last of the DAGs has its turn.
    silent = {"heartbeat_stale": None}
    arguments: dict[str, Any] = {
        name: setting.arguments(job={"args": {"wait_for": "go"}}, policy=silent, deferrable=deferred[name], retries=1)
        for name, setting in settings.items()
    }
    variables = {
        "STORAGE_EMULATOR_HOST": os.environ["STORAGE_EMULATOR_HOST"],
        ROOTS: str(server.authority),
        CONNECTION: connection_to(next(iter(settings.values())).dataproc, folder),
    }
    operator = "airflow_dataops.operators.dataproc_dask.DataprocDaskJobOperator"
    with airflow_with(kind, folder, operator, arguments, variables) as airflow:
        for name in settings:
            airflow.trigger(name, RUN)
        yield Estate(airflow, folder, settings)
