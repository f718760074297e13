# SPDX-License-Identifier: Apache-2.0
"""The child of :mod:`dag_factories.realise.local_run`: ``python -m dag_factories.realise.local_child FD``, request on stdin.

Airflow's own output goes to stdout and stderr; events go, one JSON document a line, to the file descriptor FD.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import JobResult
from dag_factories.pipeline import load_pipeline
from dag_factories.plans import plan_of
from dag_factories.plans.model import Plan, TaskPlan
from dag_factories.realise.arguments import airflow_version
from dag_factories.run import read_step, summary

Send = Callable[..., None]
_BUNDLE = "dags-folder"


def main(descriptor: int, request: dict[str, Any]) -> None:
    """Make the database, and run the pipeline once for each run of the request."""
    with os.fdopen(descriptor, "w", encoding="utf-8", buffering=1) as events:

        def send(**event: Any) -> None:
            events.write(json.dumps(event) + "\n")

        send(progress="airflow: preparing its database")
        _prepare_database()
        pipeline = load_pipeline(request["file"], target=request["target"])
        spec, project, chosen = pipeline.require()
        plan = plan_of(spec, project, chosen, pipeline.relative)
        for document in request["runs"]:
            send(outcome=_run(plan, project.root, pipeline.path, RunContext.model_validate(document), send))


def _run(plan: Plan, root: Path, file: Path, wanted: RunContext, send: Send) -> dict[str, Any]:
    from airflow_dataops.operators._context import run_of
    from dag_factories.realise import realise

    stub = file.with_suffix(".py")
    loader = stub if stub.is_file() else file  # Airflow 3 keeps the text of the file
    dag = realise(plan, root=root, loader=str(loader), source=file.read_text("utf-8"))
    told = _Told(plan, root, send)
    for task in dag.tasks:
        told.listen(task)
    dag_run = _test(dag, wanted)
    states = {instance.task_id: str(instance.state) for instance in dag_run.get_task_instances()}
    ran = [task for task in plan.tasks if states[task.id] in {"success", "failed"}]
    return {
        "run": run_of({"dag_run": dag_run}, plan.name, plan.dag["timezone"]).model_dump(mode="json"),
        "steps": [told.results[task.id].model_dump(mode="json") for task in ran],
        "skipped": [task.id for task in plan.tasks if task not in ran],
    }


class _Told:
    """Tells when each task starts and ends, and keeps its result."""

    def __init__(self, plan: Plan, root: Path, send: Send) -> None:
        self._plan, self._root, self._send = plan, root, send
        self.results: dict[str, JobResult] = {}

    def listen(self, task: Any) -> None:
        """Add our functions to those that the author asked for."""
        for name, function in (
            ("on_execute_callback", self._started),
            ("on_success_callback", self._ended),
            ("on_failure_callback", self._ended),
            ("on_retry_callback", self._ended),
        ):
            known = getattr(task, name) or []
            setattr(task, name, [*(known if isinstance(known, list | tuple) else [known]), function])

    def _started(self, context: Any) -> None:
        self._send(progress=f"{context['ti'].task_id}: started")

    def _ended(self, context: Any) -> None:
        from airflow_dataops.operators._context import run_of

        task = self._plan.task(context["ti"].task_id)
        run = run_of(context, self._plan.name, self._plan.dag["timezone"])
        result = _result(task, run, self._root, context.get("exception"))
        self.results[task.id] = result
        self._send(progress=f"{task.id}: {summary(result)}")


def _test(dag: Any, wanted: RunContext) -> Any:
    """Run the DAG in this process, in the database, with the interval of the scheduled run.

    ``dag.test()`` takes the interval that ends at the logical date, as a run started by hand does; the logical date of a scheduled
    run is the start of its interval.
    """
    import pendulum
    from airflow.timetables.base import DataInterval

    if wanted.interval_start is None or wanted.interval_end is None:
        return _with_version(dag, None)
    start, end = pendulum.instance(wanted.interval_start), pendulum.instance(wanted.interval_end)

    def fixed(_self: Any, *, run_after: Any) -> DataInterval:  # noqa: ARG001  # Airflow's signature
        return DataInterval(start, end)

    with patch.object(type(_core(dag.timetable)), "infer_manual_data_interval", fixed):
        return _with_version(dag, start)


def _with_version(dag: Any, logical_date: Any) -> Any:
    if airflow_version() < (3, 0):
        return dag.test(execution_date=logical_date)
    _register(dag)
    return dag.test(logical_date=logical_date)


def _core(timetable: Any) -> Any:
    """Return the timetable as the scheduler has it."""
    if airflow_version() < (3, 0):
        return timetable
    from airflow.serialization.encoders import coerce_to_core_timetable

    return coerce_to_core_timetable(timetable)


def _register(dag: Any) -> None:
    """Store the DAG as the DAG processor would: Airflow 3 runs only what is in its database."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import (  # type: ignore[attr-defined]  # moved in 3.2
        LazyDeserializedDAG,
        SerializedDAG,
    )

    lazy = LazyDeserializedDAG.from_dag(dag)
    SerializedDAG.bulk_write_to_db(_BUNDLE, None, [lazy])
    SerializedDagModel.write_dag(lazy, bundle_name=_BUNDLE)


def _prepare_database() -> None:
    from airflow.utils.db import initdb

    initdb()
    if airflow_version() >= (3, 0):
        from airflow.dag_processing.bundles.manager import DagBundlesManager

        DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]


def _result(task: TaskPlan, run: RunContext, root: Path, raised: BaseException | None) -> JobResult:
    """Return the result that a task left; one that says why where it left none."""
    from airflow_dataops.clients.storage import storage_for
    from airflow_dataops.jobs.secrets import lookup
    from dag_factories.resolve import ValueResolver, resolve

    if task.job is None:
        raise ValueError(f"task {task.id!r} runs no job")
    lake = resolve(task.job.spec["lake"], ValueResolver(root, run, lookup, {}))
    path = RunLayout(lake, run.pipeline, run.key).step_result(task.id)
    data = storage_for(path).read_bytes(path)
    if data is None:
        text = str(raised) if raised else "the task ended without a result"
        error = DataOpsError(text, code="TASK_FAILED", hint="see Airflow's log")
        return JobResult(job=task.job.stem, task=task.id, run=run, status="failed", error=error.to_dict())
    return read_step(json.loads(data))


if __name__ == "__main__":
    main(int(sys.argv[1]), json.load(sys.stdin))
