# SPDX-License-Identifier: Apache-2.0
"""Steps of a pipeline -> the same steps as jobs on one Dask cluster, which is made before the first and deleted after the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dag_factories.plans.cluster_tasks import CREATE, GROUP, GROUP_TITLE, ClusterTasks
from dag_factories.plans.model import TaskPlan
from dag_factories.project import Project, Target
from dag_factories.specs.base import PipelineSpec

FUNCTION = "airflow_dataops.jobs.on_dask:run_step"
GROUPS = {GROUP: GROUP_TITLE}


def on_cluster(
    spec: PipelineSpec, project: Project, target: Target, steps: Sequence[TaskPlan], timezone: str
) -> list[TaskPlan]:
    """Return the tasks of a run on a cluster of its own.

    A teardown among the steps, such as a report, runs before the cluster is deleted, and not where there never was one.

    Args:
        spec: The pipeline.
        project: Its project.
        target: Where it runs.
        steps: The tasks of the local runner, each with its job.
        timezone: IANA name of the zone in which a run's date is meant.

    Raises:
        SpecError: The target has no clusters (``DASK_TARGET_MISSING``), or it is not clear which (``UNKNOWN_SHAPE``).
    """
    parts = ClusterTasks(spec, project, target)
    jobs = [_step(parts, step, timezone) for step in steps]
    return [parts.create(), *jobs, parts.delete(jobs), parts.gone([job for job in jobs if job.role == "work"])]


def _step(parts: ClusterTasks, step: TaskPlan, timezone: str) -> TaskPlan:
    # The operator adds what only a run knows: the run itself, the name of the step's records, the content of a suite.
    spec = {} if step.job is None else {"job": step.job.stem, **step.job.spec}
    spec.pop("engine", None)
    arguments: dict[str, Any] = {
        "cluster_task_id": CREATE,
        "job": {"name": step.id.replace("_", "-"), "function": FUNCTION, "args": spec},
        "bucket": parts.config.bucket,
        "timezone": timezone,
        "report_base_url": step.arguments.get("report_base_url"),
    }
    made = parts.task(step.id, "DataprocDaskStepOperator", arguments)
    # The setup is told to every teardown: it is then not run where the setup failed.
    needs_setup = not step.upstream or step.role == "teardown"
    return step.model_copy(
        update={
            "operator": made.operator,
            "job": None,
            "arguments": made.arguments,
            "group": made.group,
            "upstream": [*([CREATE] if needs_setup else []), *step.upstream],
        }
    )
