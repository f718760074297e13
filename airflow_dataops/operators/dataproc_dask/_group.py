# SPDX-License-Identifier: Apache-2.0
"""A task group around a cluster: made before the first job of the group, deleted after the last one, also where one fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import TaskGroup

from airflow_dataops.operators._refusal import written
from airflow_dataops.operators.dataproc_dask._cluster import (
    DataprocDaskCreateClusterOperator,
    DataprocDaskDeleteClusterOperator,
)
from airflow_dataops.operators.dataproc_dask._job_name import job_name
from airflow_dataops.operators.dataproc_dask._submit import DataprocDaskSubmitJobOperator
from airflow_dataops.operators.outcome import OutcomeOperator

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.budget import RateCard
    from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, DaskJob, Policy

_OF_THE_CLUSTER = {"instance"}


@dataclass(frozen=True)
class SharedDaskCluster:
    """A cluster that the tasks of a group share.

    Attributes:
        create: The setup.
        delete: The teardown.
        bucket: Bucket of the jobs' files.
        arguments: What the tasks of the group have in common.
    """

    create: DataprocDaskCreateClusterOperator
    delete: DataprocDaskDeleteClusterOperator
    bucket: str | None
    arguments: Mapping[str, Any]

    def submit(self, task_id: str, job: DaskJob | dict[str, Any], **kwargs: Any) -> DataprocDaskSubmitJobOperator:
        """Return a task that runs a function on the cluster.

        Args:
            task_id: Id within the group; a job without a name is called by it.
            job: The function and its arguments.
            kwargs: Further arguments of :class:`DataprocDaskSubmitJobOperator`.

        Raises:
            SpecError: Another task of the cluster has a job of that name (``DUPLICATE_JOB``): the later one would stop the earlier one.
        """
        common = {name: value for name, value in self.arguments.items() if name not in _OF_THE_CLUSTER}
        named = {"name": job_name(task_id), **written(job)}
        self._refuse_twice(task_id, named["name"])
        arguments = {"bucket": self.bucket, **common, **kwargs}
        return DataprocDaskSubmitJobOperator(
            task_id=task_id, job=named, cluster_task_id=self.create.task_id, **arguments
        )

    def _refuse_twice(self, task_id: str, name: str) -> None:
        from airflow_dataops.core.errors import SpecError

        for task in self.create.dag.tasks:
            if not isinstance(task, DataprocDaskSubmitJobOperator) or task.cluster_task_id != self.create.task_id:
                continue
            if isinstance(task.job, dict) and task.job.get("name") == name:
                message = (
                    f"the tasks {task.task_id!r} and {task_id!r} share a cluster, and both name their job {name!r}"
                )
                hint = 'leave job["name"] out: the task\'s id is taken then'
                raise SpecError(message, hint=hint, code="DUPLICATE_JOB")


@contextmanager
def ephemeral_dask_cluster(
    group_id: str,
    *,
    cluster: ClusterSpec | dict[str, Any],
    policy: Policy | dict[str, Any] | None = None,
    rate_card: RateCard | dict[str, Any] | None = None,
    bucket: str | None = None,
    **kwargs: Any,
) -> Iterator[SharedDaskCluster]:
    """Give the tasks of a ``with`` block a cluster of their own: ``create`` before them, ``delete`` after them.

    The group's last task, ``gone``, fails where a job or the deletion did, and with it the run; what comes after the group waits for it.

    Args:
        group_id: Id of the task group.
        cluster: The cluster.
        policy: Deadlines, attempts and budget; ``deadlines.run`` is the time for all jobs together.
        rate_card: Prices.
        bucket: Bucket of the jobs' files; the cluster's ``staging_bucket`` when omitted.
        kwargs: Further arguments of all tasks: ``gcp_conn_id``, ``instance``, ``deferrable``, ``retries``, …

    Yields:
        The cluster, whose ``submit`` makes tasks.
    """
    with TaskGroup(group_id):
        shared = {"cluster": cluster, "policy": policy, "rate_card": rate_card, **kwargs}
        create = DataprocDaskCreateClusterOperator(task_id="create", **shared)
        delete = DataprocDaskDeleteClusterOperator(task_id="delete", cluster_task_id=create.task_id, **shared)
        with delete.as_teardown(setups=create):
            yield SharedDaskCluster(create, delete, bucket, kwargs)
        gone = OutcomeOperator(task_id="gone")  # a cluster that does not go bills on: that is a failed run, too
        [task for task in delete.upstream_list if task is not create] >> gone
        delete >> gone
