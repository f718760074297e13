# SPDX-License-Identifier: Apache-2.0
"""From the results of a run's steps to the result of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import ConfigDict, ValidationError

from airflow_dataops.core.dq_gate.spec import GateResult
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.metadata.jobs import (
    DrainResult,
    HealthResult,
    PreflightResult,
    ReconcileResult,
    RoundTripResult,
)
from airflow_dataops.core.refine.flow import row_flow
from airflow_dataops.core.refine.spec import PublishResult, RefineResult, ReportSpec, RunResult
from airflow_dataops.core.tables import JobResult, RowCounts

RunVerdict = Literal["passed", "warned", "quarantined", "failed"]


class AnyStep(JobResult):
    """A step of a kind that is not known here: only what all results share is read, and the verdict where it has one."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    verdict: str = ""
    reasons: list[str] = []


StepResult = JobResult
_MODELS: dict[str, type[JobResult]] = {
    "dq_gate": GateResult,
    "refine": RefineResult,
    "publish": PublishResult,
    "metadata_preflight": PreflightResult,
    "metadata_health": HealthResult,
    "metadata_drain": DrainResult,
    "metadata_reconcile": ReconcileResult,
    "metadata_round_trip": RoundTripResult,
}
# What a failed step has to have all the same.
_FILLED: dict[str, dict[str, str]] = {
    "dq_gate": {"verdict": "failed"},
    "publish": {"table": ""},
    "metadata_round_trip": {"key": ""},
}


@dataclass(frozen=True)
class Gathered:
    """The steps of a run, sorted by what is known of them.

    Attributes:
        done: Task id -> result, in the run's order.
        missing: Ids of steps without a result.
        unreadable: Task id -> why its document is no result.
        stale: Results that an earlier try of the run left: they ended before a step that comes before them had started.
    """

    done: dict[str, StepResult]
    missing: list[str]
    unreadable: dict[str, str]
    stale: dict[str, StepResult]


def read_step(document: Mapping[str, Any]) -> StepResult:
    """Return a step's result as its model.

    A failed step may have got no further than its error, so what only a finished one knows is filled in.

    Raises:
        ValidationError: The document is not a result of its ``job``.
    """
    job = str(document.get("job"))
    known = dict(document)
    if known.get("status") == "failed":
        known = {**_FILLED.get(job, {}), **known}
    return _MODELS.get(job, AnyStep).model_validate(known)


def gather(ids: Sequence[str], steps: Mapping[str, Mapping[str, Any]]) -> Gathered:
    """Sort the step documents of a run.

    Args:
        ids: Ids of the steps that belong to the run, in the order in which they run.
        steps: Task id -> result document, of those that left one.
    """
    done: dict[str, StepResult] = {}
    stale: dict[str, StepResult] = {}
    unreadable: dict[str, str] = {}
    latest_start: datetime | None = None
    for task in (task for task in ids if task in steps):
        try:
            step = read_step(steps[task])
        except ValidationError as error:
            unreadable[task] = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
            continue
        end = _end(step)
        if latest_start and end and end < latest_start:
            stale[task] = step
            continue
        done[task] = step
        latest_start = max(filter(None, (latest_start, step.started_at)), default=None)
    return Gathered(done, [task for task in ids if task not in steps], unreadable, stale)


def summarise(spec: ReportSpec, steps: Mapping[str, Mapping[str, Any]]) -> RunResult:
    """Return the result of a run from the results of its steps.

    The run failed when a step failed, left no result, left one that cannot be read, or left it in an earlier try only.

    Args:
        spec: Which steps belong to the run.
        steps: Task id -> result document, of those that left one; others than ``spec.steps`` are not looked at.

    Returns:
        The run's result. ``rows`` balances: ``read`` equals the sum of the others, unless a step is missing or the table was not
        published (then ``written`` is 0).
    """
    known = gather(spec.steps, steps)
    verdict, reasons = _verdict(known)
    results = list(known.done.values())
    flow = row_flow(known.done)
    publish = _publish(known)
    published = publish is not None
    drained = any(isinstance(step, DrainResult) and step.status == "ok" for step in results)
    totals = {task: step.seconds.get("total", sum(step.seconds.values())) for task, step in known.done.items()}
    return RunResult(
        task=spec.task,
        run=spec.run,
        title=spec.title,
        verdict=verdict,
        reasons=reasons,
        steps=[step.model_dump(mode="json") for step in results],
        published=published,
        table=publish.table if publish else None,
        page=RunLayout(spec.lake, spec.run.pipeline, spec.run.key).page,
        rows=RowCounts(
            read=flow.read,
            quarantined=flow.total("quarantined"),
            dropped=flow.dropped,
            deduplicated=flow.total("deduplicated"),
            written=flow.written if published or drained else 0,
        ),
        bytes_read=sum(step.bytes_read for step in results),
        bytes_written=sum(step.bytes_written for step in results),
        seconds={**totals, "total": sum(totals.values())},
        versions={name: version for step in results for name, version in step.versions.items()},
        started_at=min((step.started_at for step in results if step.started_at), default=None),
        peak_memory_bytes=max((step.peak_memory_bytes for step in results if step.peak_memory_bytes), default=None),
    )


def _end(step: StepResult) -> datetime | None:
    if step.started_at is None:
        return None
    return step.started_at + timedelta(seconds=step.seconds.get("total", 0.0))


def _publish(known: Gathered) -> PublishResult | None:
    for step in (*known.done.values(), *known.stale.values()):
        if isinstance(step, PublishResult) and step.status == "ok":
            return step
    return None


def _verdict(known: Gathered) -> tuple[RunVerdict, list[str]]:
    failures = [reason for task, step in known.done.items() for reason in _failure(task, step)]
    failures += [f"{task}: its result cannot be read ({why})" for task, why in known.unreadable.items()]
    failures += [f"{task}: did not run again; its result is of an earlier try" for task in known.stale]
    if known.missing:
        after = "did not run" if failures else "left no result: it did not run, or was stopped"
        failures.append(f"{', '.join(known.missing)}: {after}")
    notes = [
        f"{task}: {reason}"
        for task, step in known.done.items()
        if (found := getattr(step, "verdict", "")) in ("quarantined", "warned")
        for reason in (getattr(step, "reasons", None) or [found])
    ]
    notes += [
        f"{task}: {step.rows.quarantined:,} rows put aside that could not be decoded or cast"
        for task, step in known.done.items()
        if isinstance(step, RefineResult) and step.rows.quarantined
    ]
    notes += [
        f"{task}: {step.rows.quarantined:,} records could not be taken and are dead letters"
        for task, step in known.done.items()
        if isinstance(step, DrainResult) and step.rows.quarantined
    ]
    if failures:
        return "failed", failures + notes
    if any(step.rows.quarantined or getattr(step, "verdict", "") == "quarantined" for step in known.done.values()):
        return "quarantined", notes
    if any(getattr(step, "verdict", "") == "warned" for step in known.done.values()):
        return "warned", notes
    return "passed", []


def _failure(task: str, step: StepResult) -> list[str]:
    if step.status == "ok" and getattr(step, "verdict", "") != "failed":
        return []
    reasons = [f"{task}: {reason}" for reason in getattr(step, "reasons", ())]
    if reasons:
        return reasons
    error = step.error or {}
    return [f"{task}: {error.get('code', 'FAILED')}: {error.get('message', 'no reason was given')}"]
