# SPDX-License-Identifier: Apache-2.0
"""composer_dask: one job is one task; several share a cluster between a setup that makes it and a teardown that deletes it."""

from __future__ import annotations

from typing import Any

from dag_factories import dask
from dag_factories.arguments import common_arguments, task_arguments
from dag_factories.plans.cluster_tasks import CREATE, GROUP, GROUP_TITLE, ClusterTasks
from dag_factories.plans.common import alerts_of, dag_with_assets, said
from dag_factories.plans.model import JobPlan, Plan, ProjectFolder, TaskPlan
from dag_factories.project import Project, Target
from dag_factories.references import typed_values
from dag_factories.specs.composer_dask import ComposerDaskSpec, Job

LOCAL = "dask_job.DaskJobOperator"


def plan(spec: ComposerDaskSpec, project: Project, target: Target, source_file: str) -> Plan:
    """Return the plan of a pipeline; nothing is read and nothing is expanded that only a run knows.

    Args:
        spec: The pipeline.
        project: Its project.
        target: Where it runs.
        source_file: The YAML file, relative to the project's folder.

    Raises:
        SpecError: The target has no Dask (``ENGINE_NOT_AVAILABLE``, ``DASK_TARGET_MISSING``), or not the shape (``UNKNOWN_SHAPE``).
    """
    here = dask.is_local(target)
    tasks = _local(spec, project, target, source_file) if here else _on_dataproc(spec, project, target)
    return Plan(
        kind=spec.kind,
        name=spec.name,
        source_file=source_file,
        target=target.name,
        dag=dag_with_assets(spec, project, target),
        tasks=tasks,
        groups={GROUP: GROUP_TITLE} if any(task.group for task in tasks) else {},
        routes=project.routes,
        alerts=alerts_of(spec),
    )


def _local(spec: ComposerDaskSpec, project: Project, target: Target, source_file: str) -> list[TaskPlan]:
    common = common_arguments(spec, project)
    code = [ProjectFolder(path=folder).model_dump() for folder in dask.code_folders(project, source_file)]
    resources = spec.resources.over(target.config.resources).model_dump(mode="json", exclude_defaults=True)
    fixed = {"lake": typed_values(target.lake), "resources": typed_values(resources), "code": code}
    store = said({"aws_conn_id": target.config.aws_conn_id})
    return [
        TaskPlan(
            id=job.name,
            operator=LOCAL,
            job=JobPlan(stem="dask_job", spec={**said(_local_job(job, target)), **said(fixed)}),
            arguments=store,
            task_args=task_arguments(spec, common, job.name),
            upstream=list(job.after),
            doc=f"Run {job.function} on a Dask of this machine",
        )
        for job in spec.ordered()
    ]


def _local_job(job: Job, target: Target) -> dict[str, Any]:
    workers = job.given(only={"workers"})
    return {"function": job.function, "args": typed_values(dask.with_lake(job.args, target.lake)), **workers}


def _on_dataproc(spec: ComposerDaskSpec, project: Project, target: Target) -> list[TaskPlan]:
    parts = _Parts(spec, project, target)
    if len(spec.jobs) == 1:
        return [parts.alone(spec.jobs[0])]
    jobs = [parts.one_of_several(job) for job in spec.ordered()]
    return [parts.create(), *jobs, parts.delete(jobs), parts.gone(jobs)]


class _Parts(ClusterTasks):
    """The tasks of a pipeline whose cluster is on Dataproc."""

    def __init__(self, spec: ComposerDaskSpec, project: Project, target: Target) -> None:
        super().__init__(spec, project, target, group=GROUP if len(spec.jobs) > 1 else None)
        self.lifecycle = spec.lifecycle

    def alone(self, job: Job) -> TaskPlan:
        """Make the cluster, run the job and delete the cluster, in one task."""
        lifecycle = {} if self.lifecycle == "airflow" else {"lifecycle": self.lifecycle}
        arguments = {**self.cluster_arguments(), **self._job(job), **lifecycle}
        return self.task(
            job.name, "DataprocDaskJobOperator", arguments, doc=f"Run {job.function} on a cluster of its own"
        )

    def one_of_several(self, job: Job) -> TaskPlan:
        """Run one job on the cluster that is there."""
        arguments = {**self._job(job), "cluster_task_id": CREATE}
        upstream = list(job.after) or [CREATE]
        return self.task(
            job.name, "DataprocDaskSubmitJobOperator", arguments, upstream=upstream, doc=f"Run {job.function}"
        )

    def _job(self, job: Job) -> dict[str, Any]:
        document = dask.job_of(self.config, job, self.target.lake)
        return {"job": typed_values(document), "bucket": self.config.bucket}


PLAN = plan

__all__ = ["PLAN", "plan"]
