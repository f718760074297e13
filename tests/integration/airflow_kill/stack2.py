# SPDX-License-Identifier: Apache-2.0
"""A whole Airflow 2 of a test's own: scheduler and triggerer as processes. What a person does in its UI is done by the same functions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import ClassVar

from tests.integration.airflow_kill.stack import Stack, wait_for

_MARK = """
import sys
from airflow.models import DagBag
dag, run, task = sys.argv[1:]
DagBag().get_dag(dag).set_task_instance_state(task_id=task, run_id=run, state="failed", commit=True)
"""
_CLEAR = """
import sys
from airflow.models import DagBag, TaskInstance
from airflow.models.taskinstance import clear_task_instances
from airflow.utils.session import create_session
dag, run, task = sys.argv[1:]
with create_session() as session:
    found = session.query(TaskInstance).filter_by(dag_id=dag, run_id=run, task_id=task).all()
    clear_task_instances(found, session, dag=DagBag().get_dag(dag))
"""


class Airflow2(Stack):
    """The processes of an Airflow 2, and its database. SQLite lets its executor run one task at a time."""

    parts_of: ClassVar = {
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    }

    def start(self, seconds: float = 400.0) -> None:
        """Make the database and start scheduler and triggerer; returns when the scheduler has begun, at most so many seconds later."""
        super().start()
        wait_for("the scheduler", lambda: self._ask("SELECT 1 FROM job WHERE state = 'running'"), seconds)

    def start_part(self, name: str) -> None:
        """Start one part; ``second triggerer`` is one more."""
        self.parts[name] = self._airflow(*self.parts_of[name.removeprefix("second ")])

    def has(self, dag: str) -> bool:
        """Tell whether a DAG is known; none may be broken."""
        assert self._ask("SELECT stacktrace FROM import_error") == []
        return bool(self._ask("SELECT 1 FROM serialized_dag WHERE dag_id = ?", dag))

    def trigger(self, dag: str, run: str) -> None:
        """Start a run."""
        assert self._airflow("dags", "trigger", "--run-id", run, dag).wait(600) == 0

    def mark_failed(self, dag: str, run: str, task: str) -> None:
        """Mark a task as failed, as a person does."""
        assert self._python("mark", "-c", _MARK, dag, run, task).wait(600) == 0

    def clear(self, dag: str, run: str, task: str) -> None:
        """Clear a task, as a person does."""
        assert self._python("clear", "-c", _CLEAR, dag, run, task).wait(600) == 0

    def state(self, dag: str, run: str) -> str:
        """Return a run's state."""
        return str(self._ask("SELECT state FROM dag_run WHERE dag_id = ? AND run_id = ?", dag, run)[0][0])

    def task_state(self, dag: str, run: str, task: str) -> str:
        """Return a task's state."""
        where = "dag_id = ? AND run_id = ? AND task_id = ?"
        return str(self._ask(f"SELECT state FROM task_instance WHERE {where}", dag, run, task)[0][0])

    def _ask(self, question: str, *values: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.home}/airflow.db?mode=ro", uri=True, timeout=120)) as database:
            return database.execute(question, values).fetchall()

    def _own_settings(self) -> dict[str, str]:
        return {
            "CORE__EXECUTOR": "SequentialExecutor",
            "SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
            "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
            "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        }
