# SPDX-License-Identifier: Apache-2.0
"""The tasks around a Dask cluster on Dataproc that the tasks of a run share: a setup, a teardown, and one that hears of failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dag_factories import dask
from dag_factories.arguments import common_arguments, task_arguments
from dag_factories.plans.common import said
from dag_factories.plans.model import TaskPlan
from dag_factories.project import Project, Target
from dag_factories.specs.base import PipelineSpec

CREATE, DELETE, GONE, GROUP = "create_cluster", "delete_cluster", "cluster_gone", "ephemeral_dask_cluster"
GROUP_TITLE = "A Dask cluster for this run"


class ClusterTasks:
    """Makes the tasks of one pipeline on a target with clusters.

    Args:
        spec: The pipeline.
        project: Its project.
        target: Where it runs.
        group: Id of the tasks' group.

    Raises:
        SpecError: The target has no clusters (``ENGINE_NOT_AVAILABLE``, ``DASK_TARGET_MISSING``), or not the shape (``UNKNOWN_SHAPE``).
    """

    def __init__(self, spec: PipelineSpec, project: Project, target: Target, *, group: str | None = GROUP) -> None:
        self.spec, self.target, self.group = spec, target, group
        config = self.config = dask.dataproc(spec, target)
        self.common = common_arguments(spec, project)
        self.cluster = dask.cluster_for(spec, config)
        self.policy = dask.policy_of(config, spec)
        card = project.rate_cards.get(config.rate_card or "")
        self.rate_card = {} if card is None else dask.rates_of(card, spec, target)
        self.connection: dict[str, Any] = {
            "gcp_conn_id": config.gcp_conn_id,
            "impersonation_chain": list(config.impersonation_chain),
            "api_endpoint": config.api_endpoint,
            "deferrable": config.deferrable,
        }

    def create(self) -> TaskPlan:
        """Make the cluster that the jobs share."""
        return self.task(
            CREATE, "DataprocDaskCreateClusterOperator", self.cluster_arguments(), role="setup", doc="Make the cluster"
        )

    def delete(self, jobs: Sequence[TaskPlan]) -> TaskPlan:
        """Delete the cluster, whatever became of the jobs."""
        arguments = {**self.cluster_arguments(), "cluster_task_id": CREATE}
        upstream = [CREATE, *(job.id for job in jobs)]
        more: dict[str, Any] = {"role": "teardown", "doc": "Delete the cluster"}
        return self.task(DELETE, "DataprocDaskDeleteClusterOperator", arguments, upstream=upstream, **more)

    def gone(self, jobs: Sequence[TaskPlan]) -> TaskPlan:
        """Let the run be failed where a job failed, or the cluster is still there and goes on costing money."""
        return TaskPlan(
            id=GONE,
            operator="outcome.OutcomeOperator",
            task_args=task_arguments(self.spec, self.common, GONE),
            upstream=[*(job.id for job in jobs), DELETE],
            trigger_rule="none_failed",
            group=GROUP,
            doc="Fails where a job or the deletion did",
        )

    def cluster_arguments(self) -> dict[str, Any]:
        """Return what the tasks are told that make or delete a cluster."""
        return {"cluster": self.cluster, "rate_card": self.rate_card}

    def task(self, task_id: str, operator: str, arguments: dict[str, Any], **more: Any) -> TaskPlan:
        """Return a task of an operator of ``operators.dataproc_dask``, with all that these have in common."""
        return TaskPlan(
            id=task_id,
            operator=f"dataproc_dask.{operator}",
            arguments=said({**arguments, "policy": self.policy, **self.connection}),
            task_args=task_arguments(self.spec, self.common, task_id),
            group=self.group,
            **more,
        )
