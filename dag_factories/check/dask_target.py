# SPDX-License-Identifier: Apache-2.0
"""The clusters of a target in ``dataops.yaml``: each shape by itself, under the target's own policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.dataproc_dask.rules import broken_rules
from airflow_dataops.core.dataproc_dask.spec import RunParts
from dag_factories.dask import cluster_of, policy_of
from dag_factories.project import TargetConfig
from dag_factories.specs.base import Path, Problem
from dag_factories.specs.dask import DaskTarget

_OF_THE_TARGET = frozenset({"project", "region", "environment_uri", "init_actions"})
_SECURE = frozenset({"KEY_MISSING", "ACCOUNT_MISSING"})


def check(name: str, target: TargetConfig) -> Iterator[Problem]:
    """Yield what is wrong with the clusters of a target.

    Args:
        name: The target.
        target: What ``dataops.yaml`` says of it; it has clusters.
    """
    dask = target.dask
    if dask is None:
        return
    place: Path = ("targets", name, "dask")
    if (target.engine, target.runner) != ("dask", "dataproc_dask"):
        message = f"the target says engine: {target.engine}, runner: {target.runner}, so nothing is ever run on these clusters"
        yield Problem(place, "DASK_NOT_USED", message, "write engine: dask, runner: dataproc_dask", on_key=True)
    told = set[tuple[Path, str]]()
    for shape in dask.shapes:
        for fault in faults_of_shape(dask, shape):
            at, exact = _origin(dask, shape, fault)
            if (at, fault.code) not in told:
                told.add((at, fault.code))
                message = fault.message if exact else f"{fault.path}: {fault.message}"
                yield Problem((*place, *at), fault.code, message, fault.hint, on_key=not exact)
    yield from _bare(dask, place)
    yield from _code(dask, place)


def faults_of_shape(dask: DaskTarget, shape: str) -> list[Fault]:
    """Return the rules that a shape breaks by itself."""
    return broken_rules(RunParts.model_validate({"cluster": cluster_of(dask, shape), "policy": policy_of(dask)}))


def deepest(document: Any, steps: Path) -> Path:
    """Return how far a path leads into what an author has written."""
    found: list[str | int] = []
    for step in steps:
        in_list = isinstance(document, list) and isinstance(step, int) and step < len(document)
        if not in_list and not (isinstance(document, dict) and step in document):
            break
        document = document[step]
        found.append(step)
    return tuple(found)


def steps_of(path: str) -> Path:
    """Return a fault's path as steps; a number is an index. The name of a label or property may hold dots."""
    head, _, rest = path.partition(".")
    parts = rest.split(".")
    if parts[0] in ("labels", "properties", "metadata") and len(parts) > 1:
        return head, parts[0], rest.partition(".")[2]
    return head, *(int(part) if part.isdigit() else part for part in parts)


def _origin(dask: DaskTarget, shape: str, fault: Fault) -> tuple[Path, bool]:
    """Return where in the target's block the faulty value was written, and whether that is the very place."""
    root, *rest = steps_of(fault.path)
    steps = tuple(rest)
    if root == "policy":
        found = deepest(dask.policy.given(), steps)
        return (("policy", *found), len(found) == len(steps)) if found else (("shapes", shape), False)
    if fault.code in _SECURE:
        return ("secure",), False
    for place, document in ((("shapes", shape), dask.shapes[shape].given()), (("cluster",), dask.cluster.given())):
        if found := deepest(document, steps):
            return (*place, *found), len(found) == len(steps)
    if steps[0] in _OF_THE_TARGET and (found := deepest(dask.given(), steps)):
        return found, len(found) == len(steps)
    return _shape(dask, shape), False


def _shape(dask: DaskTarget, shape: str) -> Path:
    """Return the place of a shape, or of what it is made of where the author has written none."""
    return ("shapes", shape) if "shapes" in dask.model_fields_set else ("cluster",) if dask.cluster.given() else ()


def _bare(dask: DaskTarget, place: Path) -> Iterator[Problem]:
    """Yield a warning where machines have nothing but Google's image, which has no Dask; a pipeline may still bring the script."""
    bare = [shape for shape in dask.shapes if not cluster_of(dask, shape).get("init_actions")]
    if bare:
        message = f"no init_actions for the shapes {', '.join(bare)}: nothing puts Dask and the environment onto their machines"
        hint = "run `dataops package --lock dask.lock --bucket BUCKET`, and add the init_actions that it prints"
        yield Problem(place, "INIT_ACTION_MISSING", message, hint, severity="warning", on_key=True)


def _code(dask: DaskTarget, place: Path) -> Iterator[Problem]:
    document = {
        "cluster": {"project": dask.project, "region": dask.region},
        "job": {"function": "a:b", "python_file_uris": dask.code_uris},
    }
    for fault in broken_rules(RunParts.model_validate(document)):
        if fault.path.startswith("job.python_file_uris."):
            index = int(fault.path.rpartition(".")[2])
            yield Problem((*place, "code_uris", index), fault.code, fault.message, fault.hint)
    yield from _bucket(dask, place)


def _bucket(dask: DaskTarget, place: Path) -> Iterator[Problem]:
    document = {"cluster": {"project": dask.project, "region": dask.region, "staging_bucket": dask.bucket}}
    for fault in broken_rules(RunParts.model_validate(document)):
        if fault.path == "cluster.staging_bucket":
            hint = (
                f"write {dask.bucket.removeprefix('gs://').strip('/')}"
                if dask.bucket.startswith("gs://")
                else fault.hint
            )
            yield Problem((*place, "bucket"), fault.code, fault.message, hint)
