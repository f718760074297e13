# SPDX-License-Identifier: Apache-2.0
"""The unmodified operator, killed at one of its calls.

``try``: the task's process is killed, and the task's next try goes on. ``resume``: the task is deferred, the triggerer's process is killed,
and another one takes the same trigger, then the task ends. ``nobody``: the task's process is killed, and that was all.
"""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask.spec import ClusterSpec
from tests.integration.dataproc_dask.driving import HELD
from tests.integration.dataproc_dask.operating import arguments, shell
from tests.integration.dataproc_dask.setting import CONNECTION, connection_to
from tests.integration.dataproc_dask.walking import POLL, Lived
from tests.services.dataproc_fake.running import ROOTS

STORAGE = "STORAGE_EMULATOR_HOST"


class LivedByOperator(Lived):
    """One task of an Airflow and the processes that run it, one after another; see ``elsewhere.py``."""

    def prepare(self) -> None:
        self.arguments = arguments(self.project, HELD, poll=POLL)
        self.idle = ClusterSpec.model_validate(self.arguments["cluster"]).idle_delete_ttl
        assert self.project.fake.gcs is not None
        self.environment = {
            CONNECTION: connection_to(self.project, self.folder),
            ROOTS: str(self.project.fake.authority),
            STORAGE: self.project.fake.gcs.url,
        }

    def ready(self, kind: str) -> None:
        """Let the task do its part before it is deferred: it asks for the cluster."""
        if kind != "resume":
            return
        self._task = shell(self.arguments, deferrable=True)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            _, self._trigger = self._task.begin().serialize()

    def told(self, kind: str) -> dict[str, Any]:
        if kind != "resume":
            return {
                "arguments": self.arguments,
                "deferrable": False,
                "tries": self.tries,
                "environment": self.environment,
            }
        return {"trigger": self._trigger, "environment": self.environment}

    def judge(self, kind: str, outcome: Any) -> Any:
        """Of a task whose process did not end well there is no outcome."""
        if kind == "resume":
            self._task.complete(outcome)
        return None
