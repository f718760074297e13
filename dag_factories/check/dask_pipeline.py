# SPDX-License-Identifier: Apache-2.0
"""A ``composer_dask`` pipeline on its target: the core's rules for its cluster, policy and jobs, and what a run may cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.dataproc_dask.budget import worst_case
from airflow_dataops.core.dataproc_dask.rules import broken_rules
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.dataproc_dask.workflow import workflow_faults
from airflow_dataops.core.errors import SpecError, did_you_mean
from dag_factories import dask
from dag_factories.check.context import Context
from dag_factories.check.dask_target import deepest, faults_of_shape, steps_of
from dag_factories.project import Target
from dag_factories.specs.base import Path, Problem
from dag_factories.specs.composer_dask import ComposerDaskSpec
from dag_factories.specs.dask import DaskTarget

# Faults of the target's lifetime that a pipeline brings about by its own deadlines.
_OF_DEADLINES = frozenset({"TTL_OVER_DEADLINES", "DEADLINES_OVER_TTL"})


def check(context: Context) -> Iterator[Problem]:
    """Yield what is wrong with a pipeline on its target."""
    spec, target = context.spec, context.target
    if not isinstance(spec, ComposerDaskSpec) or target is None:
        return
    if dask.is_local(target):
        yield from _forms(context, spec)
        yield from _elsewhere(context, spec)
        return
    config = target.config.dask
    if config is not None and config.shape_of(spec.shape) is None:
        yield _unknown_shape(context, spec, target, config)
    try:
        config = dask.dataproc(spec, target)
    except SpecError:
        return  # the plan says why
    yield from _rules(context, spec, target, config)
    yield from _cost(context, spec, target, config)


def _rules(context: Context, spec: ComposerDaskSpec, target: Target, config: DaskTarget) -> Iterator[Problem]:
    """Yield the rules that are broken, but for those that the shape breaks by itself: ``dataops.yaml`` tells them."""
    told = {(fault.path, fault.code) for fault in faults_of_shape(config, config.shape_of(spec.shape) or "")}
    for index, job in enumerate(spec.jobs):
        parts = dask.parts_of(spec, target, job)
        for fault in (*broken_rules(parts), *(workflow_faults(parts) if spec.lifecycle == "google" else ())):
            known = (fault.path if not fault.path.startswith("job.") else f"{index}.{fault.path}", fault.code)
            if known not in told and not fault.path.startswith("job.python_file_uris"):
                told.add(known)
                yield _located(context, fault, index)


def _forms(context: Context, spec: ComposerDaskSpec) -> Iterator[Problem]:
    """Yield jobs that are wrong on whatever target; a Dask of this machine has no cluster that could be."""
    anywhere: dict[str, Any] = {"cluster": {"project": "project-id", "region": "europe-west1", "runtime": "yarn"}}
    for index, job in enumerate(spec.jobs):
        document = anywhere | {"job": {**job.given(without={"after"}), "args": job.args}}  # JSON would have no NaN left
        for fault in broken_rules(RunParts.model_validate(document)):
            if fault.path.startswith("job."):
                yield _located(context, fault, index)


def _elsewhere(context: Context, spec: ComposerDaskSpec) -> Iterator[Problem]:
    """Yield a warning where no target of the project has the shape: what runs here would run nowhere else."""
    targets = [one.dask for one in context.project.spec.targets.values() if one.dask is not None]
    if spec.shape is not None and targets and not any(spec.shape in one.shapes for one in targets):
        shapes = sorted({name for one in targets for name in one.shapes})
        message = f"no target of dataops.yaml has a shape {spec.shape!r}; there are: {', '.join(shapes)}"
        hint = did_you_mean(spec.shape, shapes)
        yield Problem(_shape_place(context), "UNKNOWN_SHAPE", message, hint, severity="warning")


def _unknown_shape(context: Context, spec: ComposerDaskSpec, target: Target, config: DaskTarget) -> Problem:
    shapes = list(config.shapes)
    if spec.shape is None:
        message = f"target {target.name!r} has the shapes {', '.join(shapes)}, and none is named"
        return Problem(_shape_place(context), "UNKNOWN_SHAPE", message, f"write cluster: {shapes[0]}")
    message = f"target {target.name!r} has no shape {spec.shape!r}; it has: {', '.join(shapes)}"
    return Problem(_shape_place(context), "UNKNOWN_SHAPE", message, did_you_mean(spec.shape, shapes))


def _shape_place(context: Context) -> Path:
    return deepest(context.data, ("cluster", "shape")) or ("kind",)


def _located(context: Context, fault: Fault, index: int) -> Problem:
    """Return a fault where the pipeline says what brings it about; else at its cluster, with the path in the message."""
    root, *rest = steps_of(fault.path)
    steps = tuple(rest)
    if root == "job":
        found = deepest(context.data, ("jobs", index, *steps))
        return Problem(found, fault.code, fault.message, fault.hint)
    wanted: Path = steps if root == "policy" else ("cluster", *steps)
    found = deepest(context.data, wanted)
    if fault.code in _OF_DEADLINES and len(found) < len(wanted):
        found = deepest(context.data, ("deadlines",)) or found
    exact = len(found) == len(wanted)
    message = fault.message if exact else f"{fault.path}: {fault.message}"
    return Problem(found or _shape_place(context), fault.code, message, fault.hint)


def _cost(context: Context, spec: ComposerDaskSpec, target: Target, config: DaskTarget) -> Iterator[Problem]:
    parts = dask.parts_of(spec, target, None)
    policy = parts.policy
    place = deepest(context.data, ("budget",)) or _shape_place(context)
    severity: Literal["error", "warning"] = "error" if policy.over_budget == "fail" else "warning"
    if config.rate_card is None:
        if policy.budget is not None:
            message = f"the budget of {policy.budget} cannot be held: target {target.name!r} has no rate_card"
            hint = "add to the target: dask: {rate_card: rates.yaml}"
            yield Problem(place, "RATES_MISSING", message, hint, severity=severity)
        return
    card = context.project.rate_cards.get(config.rate_card)
    if card is None or broken_rules(parts):
        return  # told elsewhere
    try:
        estimate = worst_case(DaskRun.model_validate(parts.model_dump()), card)
    except SpecError as error:
        hint = error.hint or f"add its price to {config.rate_card}"
        severity = severity if policy.budget is not None else "warning"
        yield Problem(
            _shape_place(context), error.code, f"{config.rate_card}: {error.message}", hint, severity=severity
        )
        return
    if estimate.over:
        hint = "shorten deadlines.run, take fewer or smaller machines, or raise the budget"
        yield Problem(place, "OVER_BUDGET", estimate.sentence, hint, severity=severity)
