# SPDX-License-Identifier: Apache-2.0
"""A pipeline on a target with Dask clusters: the cluster, job and policy that the core knows, and where its code lies."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.dataproc_dask.budget import RateCard
from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.errors import SpecError, unknown_name
from dag_factories.project import Project, Target
from dag_factories.references import expand_lake
from dag_factories.specs.base import PipelineSpec
from dag_factories.specs.composer_dask import ComposerDaskSpec, Job
from dag_factories.specs.dask import ClusterChoice, DaskTarget, Shape, overlaid


def is_local(target: Target) -> bool:
    """Return whether the functions run on a Dask of this machine."""
    return target.config.runner == "local"


def shape_of(spec: PipelineSpec) -> str | None:
    """Return the name of the shape that a pipeline asks for; only ``composer_dask`` can, all others take the target's default."""
    return spec.shape if isinstance(spec, ComposerDaskSpec) else None


def dataproc(spec: PipelineSpec, target: Target) -> DaskTarget:
    """Return the clusters of a target.

    Raises:
        SpecError: It has none (``ENGINE_NOT_AVAILABLE``, ``DASK_TARGET_MISSING``), or not the shape (``UNKNOWN_SHAPE``).
    """
    config = target.config
    if (config.engine, config.runner) != ("dask", "dataproc_dask"):
        raise SpecError(
            f"target {target.name!r} says engine: {config.engine}, runner: {config.runner}; {spec.kind} runs on runner: local, or on "
            "engine: dask, runner: dataproc_dask",
            hint="choose another target with --target, DATAOPS_TARGET or default_target",
            code="ENGINE_NOT_AVAILABLE",
        )
    if config.dask is None:
        raise SpecError(
            f"target {target.name!r} does not say where its clusters are made",
            hint="add to the target: dask: {project: …, region: …, bucket: …}",
            code="DASK_TARGET_MISSING",
        )
    shape = shape_of(spec)
    if config.dask.shape_of(shape) is None:
        if shape is not None:
            raise unknown_name(f"shape of target {target.name}", shape, config.dask.shapes, code="UNKNOWN_SHAPE")
        raise SpecError(
            f"target {target.name!r} has the shapes {', '.join(config.dask.shapes)}, and none is named",
            hint=how_to_name_a_shape(spec, config.dask),
            code="UNKNOWN_SHAPE",
        )
    return config.dask


def how_to_name_a_shape(spec: PipelineSpec, dask: DaskTarget) -> str:
    """Return what to write where it is not clear which shape is meant."""
    first = next(iter(dask.shapes))
    if isinstance(spec, ComposerDaskSpec):
        return f"write cluster: {first}, or name one of them default"
    return "name one of them default in dataops.yaml: shapes: {default: {}}"


def cluster_of(dask: DaskTarget, shape: str, over: Shape | None = None) -> dict[str, Any]:
    """Return the document of a :class:`~airflow_dataops.core.dataproc_dask.spec.ClusterSpec`: what is said, and no more.

    Args:
        dask: The target's clusters.
        shape: Name of one of their shapes.
        over: What a pipeline says; it wins.
    """
    own = {"project": dask.project, "region": dask.region, "secure": dask.secure}
    common = {key: value for key, value in dask.given(only={"environment_uri", "init_actions"}).items() if value}
    said = {} if over is None else over.given(without={"shape"})
    merged = overlaid(common, dask.cluster.given(), dask.shapes[shape].given(), said)
    return {**own, **merged} if dask.secure else {**{k: v for k, v in own.items() if k != "secure"}, **merged}


def cluster_for(spec: PipelineSpec, dask: DaskTarget) -> dict[str, Any]:
    """Return the cluster that a pipeline asks for: a shape of the target, and what differs from it."""
    asked = getattr(spec, "cluster", None)
    over = asked if isinstance(asked, ClusterChoice) else None
    return cluster_of(dask, dask.shape_of(shape_of(spec)) or "", over)


def policy_of(dask: DaskTarget, spec: PipelineSpec | None = None) -> dict[str, Any]:
    """Return the document of a :class:`~airflow_dataops.core.dataproc_dask.spec.Policy`: what is said, and no more.

    A cluster that tasks share is deleted after the last of them, so nothing is kept, and nothing is reckoned for it.
    """
    own = spec.policy() if isinstance(spec, ComposerDaskSpec) else {}
    policy = overlaid(dask.policy.given(), own)
    alone = spec is None or (isinstance(spec, ComposerDaskSpec) and len(spec.jobs) == 1)
    return policy if alone else {key: value for key, value in policy.items() if key != "keep_failed_for"}


def job_of(dask: DaskTarget, job: Job, lake: str) -> dict[str, Any]:
    """Return the document of a :class:`~airflow_dataops.core.dataproc_dask.spec.DaskJob`; run references in it are not expanded."""
    document = {**job.given(without={"after"}), "args": with_lake(job.args, lake)}
    if dask.code_uris:
        document["python_file_uris"] = dask.code_uris
    return {key: value for key, value in document.items() if value not in (None, {}, [])}


def with_lake(value: Any, lake: str) -> Any:
    """Return JSON with ``${lake}`` expanded in every text."""
    if isinstance(value, str):
        return expand_lake(value, lake)
    if isinstance(value, list):
        return [with_lake(item, lake) for item in value]
    if isinstance(value, dict):
        return {key: with_lake(item, lake) for key, item in value.items()}
    return value


def parts_of(spec: PipelineSpec, target: Target, job: Job | None) -> RunParts:
    """Return what is asked for, well typed, with no rule looked at.

    Raises:
        SpecError: The target cannot run it; see :func:`dataproc`.
    """
    dask = dataproc(spec, target)
    document: dict[str, Any] = {"cluster": cluster_for(spec, dask), "policy": policy_of(dask, spec)}
    if job is not None:
        document["job"] = job_of(dask, job, target.lake)
    return RunParts.model_validate(document)


def rates_of(card: RateCard, spec: PipelineSpec, target: Target) -> dict[str, Any]:
    """Return what of a rate card a pipeline's cluster can cost, JSON-safe; a task is not told the prices of all machines there are."""
    cluster = parts_of(spec, target, None).cluster
    machines = {kind.rsplit("/", 1)[-1] for kind in (cluster.master.machine_type, cluster.workers.machine_type)}
    disks = {cluster.master.disk.type, cluster.workers.disk.type}
    if cluster.secondary is not None:
        machines |= {kind.rsplit("/", 1)[-1] for choice in cluster.secondary.choices for kind in choice.machine_types}
        disks.add(cluster.secondary.disk.type)
    document = card.model_dump(mode="json", exclude_defaults=True)
    document["machines"] = {name: rate for name, rate in document["machines"].items() if name in machines}
    document["disk_gb_month"] = {name: rate for name, rate in document["disk_gb_month"].items() if name in disks}
    return document


def code_folders(project: Project, source_file: str) -> list[str]:
    """Return the folders that functions are imported from, as the project names them: the pipeline's, the project's, ``code``."""
    beside = source_file.rpartition("/")[0] or "."
    return list(dict.fromkeys([beside, ".", *project.spec.code]))
