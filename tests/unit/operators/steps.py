# SPDX-License-Identifier: Apache-2.0
"""Steps of a pipeline as tasks, wherever they run: in which run, with which secret, and what one may say."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tests.unit.operators.shell import Shell, Ti

WHEN = datetime(2024, 1, 2, tzinfo=UTC)
SALTED = {"masks": {"mail": {"kind": "sha256", "salt": {"secret": "env:SALT"}}}}
PUBLISHED: dict[str, Any] = {
    "job": "publish",
    "task": "step",
    "run": {"pipeline": "d", "key": "k"},
    "status": "ok",
    "rows": {"written": 3},
    "files_added": 1,
    "files_removed": 0,
    "seconds": {"total": 1.0},
}


class Events(dict[Any, Any]):
    """The events of a task's assets."""

    def __missing__(self, key: Any) -> Any:
        return self.setdefault(key, SimpleNamespace(extra={}))


def task_of_run(operator: Any, store: dict[Any, Any] | None = None) -> Shell:
    """Return the task of a scheduled run; the tasks of a run share the store of their XComs."""
    made = Shell(operator, Ti(operator.task_id, store))
    interval = {"data_interval_start": WHEN, "data_interval_end": WHEN.replace(day=3), "run_type": "scheduled"}
    run = SimpleNamespace(partition_key=None, logical_date=WHEN, run_id="scheduled__1", **interval)
    made.context |= {"dag_run": run, "outlet_events": Events()}
    return made
