# SPDX-License-Identifier: Apache-2.0
"""Plan -> the same jobs, in the same order, in this process, without Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ValidationError

from airflow_dataops.core.errors import DataOpsError, SpecError
from airflow_dataops.core.refine.spec import RunResult
from airflow_dataops.core.run import RunContext, run_key
from airflow_dataops.core.tables import JobResult, JobSpec, Resources
from dag_factories.intervals import Interval, intervals_of, latest_interval, schedule_of
from dag_factories.pipeline import load_pipeline
from dag_factories.plans import plan_of
from dag_factories.plans.model import JobPlan, Plan, TaskPlan
from dag_factories.resolve import ValueResolver, resolve

Progress = Callable[[str], None]
OnStep = Callable[[JobResult], None]

MANUAL = "manual"


@dataclass(frozen=True)
class RunOutcome:
    """What became of one run.

    Attributes:
        run: The run.
        steps: Results of the tasks that ran, in order, the report's last; a failed one is a plain :class:`JobResult` with its error.
        skipped: Ids of the tasks that did not run, since one before them failed.
    """

    run: RunContext
    steps: tuple[JobResult, ...]
    skipped: tuple[str, ...] = ()

    @property
    def result(self) -> RunResult | None:
        """The result of the whole run; None where the report failed."""
        return next((step for step in reversed(self.steps) if isinstance(step, RunResult)), None)

    @property
    def verdict(self) -> str:
        """The result's; of a pipeline that makes none, whether its tasks passed."""
        if self.result is not None:
            return self.result.verdict
        return "failed" if self.failed or any(step.job == "report" for step in self.steps) else "passed"

    @property
    def failed(self) -> bool:
        """Whether a task other than the report failed: the same runs are failed in Airflow."""
        return bool(self.skipped) or any(not _passed(step) for step in self.steps if step.job != "report")


def run_pipeline(
    file: Path | str,
    *,
    target: str | None = None,
    dates: str | None = None,
    runs: Sequence[RunContext] | None = None,
    now: datetime,
    resources: Resources | None = None,
    progress: Progress | None = None,
    on_step: OnStep | None = None,
) -> Iterator[RunOutcome]:
    """Run a pipeline here, one run after the other, and yield what became of each. A failed run does not stop the next.

    Args:
        file: The YAML file.
        target: Name of a target; without it ``DATAOPS_TARGET``, else the project's default.
        dates: ``2024-01-31``, ``2024-01-31T06:00`` or ``2024-01-01..2024-01-31`` (:func:`dag_factories.intervals.intervals_of`).
            Without it, the last interval of the schedule that is over; a pipeline without one runs without an interval.
        runs: Runs to do again as they were, instead of ``dates``.
        now: The time at which the run is asked for; aware.
        resources: Limits that go before those of the pipeline and the target; what it leaves open is theirs.
        progress: Told, one line at a time, what is being done; first of all, which limits the engine has.
        on_step: Told each task's result when it ends.

    Raises:
        PipelineError: The file cannot be used; nothing has been run.
        SpecError: The target does not exist, cannot run it (``RUNS_IN_AIRFLOW``: not here), or its lake's connection is not known here; or
            ``dates`` is no date.
    """
    from airflow_dataops.jobs.secrets import lookup
    from dag_factories.lake_access import enter

    pipeline = load_pipeline(file, target=target)
    spec, project, chosen = pipeline.require()
    plan = plan_of(spec, project, chosen, pipeline.relative)
    require_here(plan)
    enter(chosen.config, lookup)
    contexts = run_contexts(plan, dates, now) if runs is None else runs
    return _runs(plan, project.root, contexts, resources or Resources(), progress, on_step)


def _runs(
    plan: Plan,
    root: Path,
    contexts: Sequence[RunContext],
    resources: Resources,
    progress: Progress | None,
    on_step: OnStep | None,
) -> Iterator[RunOutcome]:
    for number, context in enumerate(contexts):
        one = _Run(plan, root, context, resources, progress, on_step)
        if number == 0:
            one.say_limits()
        yield one.run()


def require_here(plan: Plan) -> None:
    """Raise where a plan has tasks that are no jobs: they are for an Airflow that runs all the time.

    Raises:
        SpecError: It has (``RUNS_IN_AIRFLOW``).
    """
    apart = [task.id for task in plan.tasks if task.job is None]
    if apart:
        raise SpecError(
            f"target {plan.target!r} works where only Airflow starts it, so it does not run here: {', '.join(apart)}",
            hint="run it on a target with runner: local (`--target local`), or trigger the DAG in your Airflow",
            code="RUNS_IN_AIRFLOW",
        )


def limits_line(resources: Resources) -> str:
    """Return one line on what the engine of a job gets, here and now, and where each number comes from."""
    from airflow_dataops.clients.limits import memory_limit
    from airflow_dataops.core.fit import size
    from airflow_dataops.engines.limits import limits

    found, whole = limits(resources), memory_limit()
    of = "" if whole is None else f" of {size(whole)}"
    memory = "as much memory as it wants" if found.memory_bytes is None else f"{size(found.memory_bytes)}{of} memory"
    asked = [name for name, value in resources.model_dump().items() if value is not None]
    by = f"set: {', '.join(asked)}; the rest" if asked else "all"
    plural = "" if found.threads == 1 else "s"
    line = f"engine: {found.threads} thread{plural}, {memory}, spill in {found.spill_dir}"
    return line if len(asked) == len(Resources.model_fields) else f"{line} ({by} from this container or machine)"


def run_contexts(plan: Plan, dates: str | None, now: datetime) -> list[RunContext]:
    """Return the runs that ``dates`` names, with the keys that Airflow's runs of the same intervals have.

    Raises:
        SpecError: ``dates`` is no date or range (``BAD_DATE``).
    """
    timezone, schedule = plan.dag["timezone"], schedule_of(plan.dag)
    if dates is not None:
        return [_context(plan, interval) for interval in intervals_of(dates, schedule, timezone)]
    if schedule is not None:
        return [_context(plan, latest_interval(schedule, now))]
    return [RunContext(pipeline=plan.name, key=MANUAL, timezone=timezone)]


def read_step(document: dict[str, Any]) -> JobResult:
    """Return the result of a step from its document: of the job's own type, a plain :class:`JobResult` where it failed."""
    if document["status"] != "ok":
        with suppress(ValidationError):
            return JobResult.model_validate(document)
    kind: type[JobResult] = get_type_hints(_job_module(document["job"]).run)["return"]
    return kind.model_validate(document)


def summary(result: JobResult) -> str:
    """Return one line on a step: what it found, how many rows, how long it took; or why it failed."""
    if result.error is not None:
        return f"failed, {result.error['code']}: {result.error['message'].partition(chr(10))[0]}"
    rows = result.rows
    counts: Mapping[str, int] = {
        "read": rows.read,
        "quarantined": rows.quarantined,
        "dropped": sum(rows.dropped.values()),
        "deduplicated": rows.deduplicated,
        "written": rows.written,
    }
    verdict = getattr(result, "verdict", result.status)
    shown = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    verdict = f"verdict {verdict}" if result.job == "report" else verdict
    return f"{verdict}{f' ({shown})' if shown else ''} in {result.seconds.get('total', 0.0):.2f} s"


def _context(plan: Plan, interval: Interval) -> RunContext:
    start, end = interval
    return RunContext(
        pipeline=plan.name,
        key=run_key(partition_key=None, interval_start=start, interval_end=end, logical_date=start, run_id=MANUAL),
        interval_start=start,
        interval_end=end,
        timezone=plan.dag["timezone"],
    )


@dataclass
class _Run:
    """One run of a plan."""

    plan: Plan
    root: Path
    context: RunContext
    resources: Resources
    progress: Progress | None
    on_step: OnStep | None
    results: dict[str, JobResult] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def run(self) -> RunOutcome:
        for task in self.plan.tasks:
            if task.role == "teardown" or all(self._succeeded(upstream) for upstream in task.upstream):
                self._step(task)
            else:
                self.skipped.append(task.id)
                self._say(f"{task.id}: skipped, a task before it failed")
        return RunOutcome(self.context, tuple(self.results.values()), tuple(self.skipped))

    def say_limits(self) -> None:
        """Tell what the engine of the first job gets; what the job itself will refuse is not said twice."""
        job = next((task.job for task in self.plan.tasks if task.job is not None), None)
        if self.progress is None or job is None:
            return
        from airflow_dataops.jobs.secrets import lookup

        with suppress(DataOpsError, ValidationError, KeyError):
            fields = resolve(job.spec, ValueResolver(self.root, self.context, lookup, {}))
            self._say(limits_line(Resources.model_validate(self._limited(fields)["resources"])))

    def _limited(self, fields: dict[str, Any]) -> dict[str, Any]:
        given = self.resources.model_dump(exclude_none=True)
        return {**fields, "resources": {**fields.get("resources", {}), **given}}

    def _step(self, task: TaskPlan) -> None:
        result = self._execute(task)
        self.results[task.id] = result
        self._say(f"{task.id}: {summary(result)}")
        if self.on_step is not None:
            self.on_step(result)

    def _execute(self, task: TaskPlan) -> JobResult:
        from airflow_dataops.jobs.process import as_error

        job = task.job
        if job is None:
            raise ValueError(f"task {task.id!r} runs no job")  # require_here has refused such a plan
        try:
            return self._job(task, job)
        except Exception as raised:  # noqa: BLE001  # before the job starts; whatever it is, the teardown has to run
            error = as_error(raised).to_dict()
            return JobResult(job=job.stem, task=task.id, run=self.context, status="failed", error=error)

    def _job(self, task: TaskPlan, job: JobPlan) -> JobResult:
        from airflow_dataops.jobs.process import execute
        from airflow_dataops.jobs.secrets import from_environment, lookup

        module = _job_module(job.stem)
        outputs = {name: result.model_dump(mode="json") for name, result in self.results.items()}
        fields = self._limited(resolve(job.spec, ValueResolver(self.root, self.context, lookup, outputs)))
        spec = _spec_type(module.run).model_validate({**fields, "run": self.context, "task": task.id})
        if getattr(module, "OWN_PROCESS", False):
            return self._in_own_process(spec)
        return execute(spec, module.run, from_environment(spec), self.progress)

    def _in_own_process(self, spec: JobSpec) -> JobResult:
        """Run a job that calls the user's code as Airflow would: in a child, which leaves the job's records itself."""
        from airflow_dataops.clients.job_process import run_job
        from airflow_dataops.jobs.secrets import from_environment

        document = run_job(spec.job, spec, from_environment(spec), on_line=lambda _level, text: self._say(text))
        return read_step(document)

    def _succeeded(self, task_id: str) -> bool:
        return task_id in self.results and _passed(self.results[task_id])

    def _say(self, line: str) -> None:
        if self.progress is not None:
            self.progress(line)


def _passed(result: JobResult) -> bool:
    return result.status == "ok" and getattr(result, "verdict", None) != "failed"


def _spec_type(run: Callable[..., JobResult]) -> type[JobSpec]:
    """Return the spec that a job takes: the type of the first parameter of its ``run``."""
    found: type[JobSpec] = get_type_hints(run)["spec"]
    return found


def _job_module(stem: str) -> Any:
    return import_module(f"airflow_dataops.jobs.{stem}")
