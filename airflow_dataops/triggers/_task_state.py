# SPDX-License-Identifier: Apache-2.0
"""The state of a task from Airflow 2's database; Airflow 3 tells a trigger by itself that somebody ended its task."""

from __future__ import annotations

from typing import Any


def task_state(task_instance: Any) -> str | None:
    """Return the present state of a task instance; ``removed`` where it is not there any more, None where it waits to be begun anew."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    key = {name: getattr(task_instance, name) for name in ("dag_id", "task_id", "run_id", "map_index")}
    with create_session() as session:
        found = session.query(TaskInstance.state).filter_by(**key).one_or_none()
    return "removed" if found is None else found[0]
