# SPDX-License-Identifier: Apache-2.0
"""The plan: what a pipeline is, as plain data, whatever it is turned into (DAG, source, run, diff, graph)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from airflow_dataops.core.model import Model


class RunRef(Model):
    """A text with ``${run.…}`` references, known when the run is. A realiser turns it into Jinja or into the text."""

    ref: Literal["run"] = "run"
    template: str


class TaskOutput(Model):
    """What another task returned: ``key`` of the result document of ``task``."""

    ref: Literal["output"] = "output"
    task: str
    key: str


class SecretValue(Model):
    """A secret by name (``env:NAME``, ``var:NAME``, ``conn:ID.field``); resolved at run time, beside the spec, never in it."""

    ref: Literal["secret"] = "secret"
    secret: str


class EnvRef(Model):
    """A text with ``${env:…}``, ``${var:…}`` or ``${conn:…}`` references to values that are not secret (a lake, an endpoint)."""

    ref: Literal["env"] = "env"
    template: str


class ProjectFile(Model):
    """A file of the project (a suite), by its path relative to the project's folder. A job gets its content."""

    ref: Literal["file"] = "file"
    path: str


class ProjectFolder(Model):
    """A folder of the project, by its path relative to the project's folder; where it lies is known where the project is."""

    ref: Literal["folder"] = "folder"
    path: str


Reference = Annotated[
    RunRef | TaskOutput | SecretValue | EnvRef | ProjectFile | ProjectFolder, Field(discriminator="ref")
]


class JobPlan(Model):
    """The job that a task runs.

    Attributes:
        stem: ``airflow_dataops.jobs.<stem>``.
        spec: Fields of the job's spec other than ``run`` and ``task``, JSON-safe; a reference stands as the dumped model of
            :data:`Reference` (a dict with the key ``ref``) wherever a value may stand.
    """

    stem: str
    spec: dict[str, Any]


class TaskPlan(Model):
    """One task.

    Attributes:
        id: Task id, unique in the plan.
        operator: Registered name of the operator (:mod:`dag_factories.operators`).
        job: The job it runs; None where the operator runs none.
        arguments: Arguments of the operator other than those of the job.
        task_args: Arguments that every Airflow task takes (retries, pool, owner …), already merged; durations are seconds, callbacks
            are names.
        upstream: Ids of the tasks before it.
        trigger_rule: Airflow's trigger rule.
        role: ``teardown`` runs whatever happened before, and never decides over the run.
        outlets: URIs of the assets that the task updates (names in :attr:`Plan.assets`).
        tells_verdict: True where the ``verdict`` of its result is the run's, and so is told to the alerts below ``critical``.
        group: Id of its group.
        doc: What it does, one line.
    """

    id: str
    operator: str
    job: JobPlan | None = None
    arguments: dict[str, Any] = {}
    task_args: dict[str, Any] = {}
    upstream: list[str] = []
    trigger_rule: str = "all_success"
    role: Literal["work", "setup", "teardown"] = "work"
    outlets: list[str] = []
    tells_verdict: bool = False
    group: str | None = None
    doc: str = ""


class Route(Model):
    """One way to tell somebody, from ``alerts`` of ``dataops.yaml``.

    Attributes:
        notifier: Registered name of the notifier.
        arguments: Its arguments; references as in :attr:`JobPlan.spec`, resolved on the worker when something is told.
    """

    notifier: str
    arguments: dict[str, Any] = {}


class Alert(Model):
    """What is told to which route: ``critical`` that a task failed, ``warning`` and ``info`` the verdict of a run that did not."""

    severity: Literal["critical", "warning", "info"]
    route: str


class Plan(Model):
    """A pipeline as data.

    Attributes:
        schema_version: Version of this document.
        kind: Kind of the pipeline.
        name: Name; the DAG id.
        source_file: The YAML file, relative to the project's folder.
        target: Name of the target in ``dataops.yaml``.
        dag: Arguments of the DAG, JSON-safe: ``schedule`` (cron text, preset, None, or ``{"assets": [...]}``), ``start_date``,
            ``timezone``, ``catchup``, ``max_active_runs``, ``tags`` … under Airflow's names; durations are seconds, moments ISO texts
            (without an offset they are meant in ``timezone``), callbacks are names.
        tasks: Tasks in an order in which each comes after its upstream ones.
        assets: URIs of the tables that the pipeline publishes.
        groups: Group id -> title.
        routes: Name -> route, for the names in ``alerts`` and in the callbacks of ``dag`` and ``task_args``. A callback's name that is no
            route is a registered callback.
        alerts: What is told to whom.
    """

    schema_version: Literal[1] = 1
    kind: str
    name: str
    source_file: str
    target: str
    dag: dict[str, Any]
    tasks: list[TaskPlan]
    assets: list[str] = []
    groups: dict[str, str] = {}
    routes: dict[str, Route] = {}
    alerts: list[Alert] = []

    def task(self, task_id: str) -> TaskPlan:
        """Return one task by its id; KeyError where there is none."""
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(task_id)
