# SPDX-License-Identifier: Apache-2.0
"""Pipelines against a target with Spark drivers. What knows Spark is imported where a target has them."""

from __future__ import annotations

from collections.abc import Iterator

from dag_factories.check.context import Context
from dag_factories.project import Project, TargetConfig
from dag_factories.specs.base import Problem

_ADDRESS = "://"


def check_spark(context: Context) -> Iterator[Problem]:
    """Yield a lake that the drivers do not see."""
    target = context.target
    if context.spec is None or target is None or target.config.runner != "spark_k8s" or target.config.spark is None:
        return
    mounted = target.config.spark.pod_template.get("spec", {})
    has_volume = isinstance(mounted, dict) and bool(mounted.get("volumes"))
    if "${" not in target.lake and _ADDRESS not in target.lake and not has_volume:
        message = f"the lake of target {target.name!r} is a folder, and the pods of its drivers mount none"
        hint = "write lake: s3://BUCKET/lake, or mount the folder: pod_template and executor_template"
        yield Problem(("kind",), "LAKE_NOT_SHARED", message, hint, severity="warning")


def check_spark_targets(project: Project) -> Iterator[Problem]:
    """Yield what Kubernetes, Spark or S3 would not take of the drivers of a project's targets, whatever pipelines run there."""
    for name, target in project.spec.targets.items():
        if target.spark is not None:
            from dag_factories.check.spark_target import check

            yield from check(name, target)
        if target.aws_conn_id is not None:
            yield from _connection(name, target)


def _connection(name: str, target: TargetConfig) -> Iterator[Problem]:
    in_s3 = "${" in target.lake or target.lake.startswith(("s3://", "s3a://"))
    if target.runner == "local" and in_s3:
        return
    message = f"aws_conn_id is for a lake in S3 with runner: local; this is {target.lake} with runner: {target.runner}"
    hint = "write it as spark: {aws_conn_id: …}" if target.spark is not None else "remove it"
    yield Problem(("targets", name, "aws_conn_id"), "S3_CONNECTION_UNUSED", message, hint, on_key=True)
