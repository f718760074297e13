# SPDX-License-Identifier: Apache-2.0
"""The preflight of a metadata pipeline: its own first step, and a marked event all the way, from here."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.core.metadata.jobs import Check
    from airflow_dataops.core.preflight.findings import Finding
    from airflow_dataops.core.run import RunContext
    from dag_factories.plans.model import Plan

_LEVELS = {"ok": "ok", "failed": "problem", "warning": "warning", "unknown": "unknown"}


def ask(plan: Plan, root: Path, *, round_trip: bool) -> tuple[Finding, ...]:
    """Return what the preflight of a pipeline finds; then, unless that was a problem, whether a marked event arrives.

    Args:
        plan: The pipeline's, for a target with servers.
        root: Folder of its project.
        round_trip: Whether to post a marked event, await it in store and archive, and take it out again. A worker has to run.

    Raises:
        SpecError: The pipeline posts no marked event (``USAGE``), or what the target refers to is not set here.
    """
    from airflow_dataops.core.metadata.jobs import PreflightSpec
    from airflow_dataops.core.preflight.findings import Level
    from airflow_dataops.core.run import RunContext
    from airflow_dataops.jobs import metadata_preflight
    from airflow_dataops.jobs.secrets import from_environment
    from dag_factories.plans.gpu_metadata import PREFLIGHT

    key = datetime.now(UTC).strftime(
        "preflight-%Y%m%dT%H%M%S.%fZ"
    )  # each is a run of its own: what one has seen proves nothing of another
    context = RunContext(pipeline=plan.name, key=key, timezone=plan.dag["timezone"])
    spec = PreflightSpec.model_validate(_document(plan, root, context, PREFLIGHT))
    done = metadata_preflight.run(spec, secrets=from_environment(spec))
    found = tuple(_finding(check) for check in done.checks)
    if not round_trip or any(one.level is Level.PROBLEM for one in found):
        return found
    return (*found, _round_trip(plan, root, context))


def _round_trip(plan: Plan, root: Path, context: RunContext) -> Finding:
    from airflow_dataops.core.errors import DataOpsError, SpecError
    from airflow_dataops.core.metadata.jobs import Check, RoundTripSpec
    from airflow_dataops.jobs import metadata_round_trip
    from airflow_dataops.jobs.secrets import from_environment
    from dag_factories.plans.gpu_metadata import POST

    if POST not in {task.id for task in plan.tasks}:
        raise SpecError(f"{plan.name} posts no marked event", hint="round_trip: true in its file", code="USAGE")
    spec = RoundTripSpec.model_validate({**_document(plan, root, context, POST), "phase": "both"})
    name = "round trip"
    try:
        done = metadata_round_trip.run(spec, secrets=from_environment(spec), progress=_tell)
    except DataOpsError as error:
        told = f"{error.code}: {error.message}"
        return _finding(Check(name=name, status="failed", found=told, hint=error.hint or ""))
    where = "the store" if done.archived is None else "the store and the archive"
    return _finding(Check(name=name, status="ok", found=f"{done.key} arrived in {where}, and was removed"))


def _document(plan: Plan, root: Path, context: RunContext, task_id: str) -> dict[str, Any]:
    from airflow_dataops.jobs.secrets import lookup
    from dag_factories.resolve import ValueResolver, resolve

    [job] = [task.job for task in plan.tasks if task.id == task_id and task.job is not None]
    return {**resolve(job.spec, ValueResolver(root, context, lookup, {})), "run": context, "task": task_id}


def _finding(check: Check) -> Finding:
    from airflow_dataops.core.preflight.findings import Finding, Level

    return Finding(check=check.name, level=Level(_LEVELS[check.status]), message=check.found, fix=check.hint or None)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
