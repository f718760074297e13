# SPDX-License-Identifier: Apache-2.0
"""The steps that every operator with a job takes: build the spec, run the process, tell what came of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from airflow.providers.common.compat.sdk import AirflowFailException, Stats

from airflow_dataops.links.pages import airflow_home, is_local, remember_lake
from airflow_dataops.links.result_page import XCOM_KEY, address_of

if TYPE_CHECKING:
    from airflow_dataops.clients.job_process import JobProcess
    from airflow_dataops.clients.store_environment import StoreAccess
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.core.refine.spec import RefineSpec
    from airflow_dataops.core.tables import EngineName, JobSpec

S = TypeVar("S", bound="JobSpec")

COMMON_FIELDS = ("lake", "engine")
_REASONS, _LONGEST_REASON = 10, 200
# What of a result goes into XCom; a result's rules, columns and steps stay in the lake.
_XCOM_FIELDS = (
    "job", "status", "verdict", "rows", "bytes_read", "bytes_written", "quarantine_uri", "files", "table", "files_added",
    "files_removed", "rows_removed", "version", "already_done", "published", "page",
)  # fmt: skip


class JobOperator(Protocol):
    """What an operator has to have for these steps."""

    task_id: str
    outlets: Any
    lake: str
    pipeline: str | None
    timezone: str
    report_base_url: str | None
    job_resources: Any
    aws_conn_id: str | None
    _process: JobProcess | None

    @property
    def dag(self) -> Any: ...

    @property
    def dag_id(self) -> str: ...

    @property
    def log(self) -> Any: ...


class HasDag(Protocol):
    """An operator of a DAG."""

    @property
    def dag(self) -> Any: ...


class Paged(Protocol):
    """An operator whose run gets a page."""

    report_base_url: str | None

    @property
    def log(self) -> Any: ...


class Stepping(HasDag, Paged, Protocol):
    """An operator whose step is done elsewhere."""

    timezone: str

    @property
    def dag_id(self) -> str: ...


class Publishing(Protocol):
    """An operator that updates assets."""

    outlets: Any


def build_spec(operator: JobOperator, context: Any, spec_type: type[S], fields: Iterable[str], **given: Any) -> S:
    """Return the spec of one job of an operator.

    Args:
        operator: Its attributes are read, after Airflow has rendered them.
        context: Airflow's context.
        spec_type: Model of the job's spec.
        fields: Attributes that are fields of the spec; one that is None is left to the spec's default.
        given: Fields that are not attributes, or in their place.

    Raises:
        AirflowFailException: What the author wrote is not valid.
    """
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.jobs.process import parse_spec
    from airflow_dataops.operators._context import expand, run_of

    try:
        run = run_of(context, operator.pipeline or operator.dag_id, operator.timezone)
        values = {name: plain(getattr(operator, name)) for name in (*COMMON_FIELDS, *fields)} | given
        values["resources"] = plain(operator.job_resources)
        said = {name: expand(value, run) for name, value in values.items() if value is not None}
        said["lake"] = str(said["lake"]).rstrip("/")
        task = given.get("task") or task_name(context)
        return parse_spec(spec_type, {**said, "task": task, "run": run.model_dump(mode="json")})
    except DataOpsError as error:
        raise AirflowFailException(str(error)) from error


def step_document(operator: Stepping, context: Any, args: Mapping[str, Any], *, engine: EngineName) -> dict[str, Any]:
    """Return the document of a step that is done elsewhere, with what only the run knows: itself, the task's name, the content of a suite.

    The address of the run's page is left for the task's link.

    Args:
        operator: Its attributes are read, after Airflow has rendered them.
        context: Airflow's context.
        args: The step's spec as the plan has it, with ``job``.
        engine: Engine where the spec names none.

    Raises:
        AirflowFailException: What the author wrote is not valid.
    """
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.jobs.steps import spec_of
    from airflow_dataops.operators._context import expand, run_of

    whole = dict(args)
    if isinstance(whole.get("suite"), str):
        whole["suite"] = suite_of(operator, whole["suite"])
    try:
        run = run_of(context, operator.dag_id, operator.timezone)
        whole = {**expand(whole, run), "run": run.model_dump(mode="json"), "task": task_name(context)}
        spec = spec_of(whole, engine=engine)
    except DataOpsError as error:
        raise AirflowFailException(str(error)) from error
    announce_page(operator, context, spec)
    return whole


def task_name(context: Any) -> str:
    """Return the name of a step's records: the task id; of a mapped task with its index, or all would share one file."""
    task_instance = context["ti"]
    index = getattr(task_instance, "map_index", -1)
    return str(task_instance.task_id) + (f".{index}" if index is not None and index >= 0 else "")


def plain(value: Any) -> Any:
    """Return models as plain data, at any depth; an argument may be given either way."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def run_job(operator: JobOperator, context: Any, spec: JobSpec, *, paged: bool = True) -> dict[str, Any]:
    """Run a job in its process, with its log in the task's log; return the result document.

    Args:
        operator: Its attributes are read, after Airflow has rendered them.
        context: Airflow's context.
        spec: What to do.
        paged: Whether the run gets a page.

    Raises:
        AirflowFailException: It failed in a way that a retry does not help.
        TransientError: It failed in a way that may pass; Airflow retries.
    """
    from airflow_dataops.clients.job_process import JobProcess
    from airflow_dataops.core import secrets
    from airflow_dataops.core.errors import DataOpsError, from_dict
    from airflow_dataops.hooks._secrets import lookup_secrets

    wanted = supervised()
    page = announce_page(operator, context, spec) if paged else None
    levels = logging.getLevelNamesMapping()
    process = operator._process = JobProcess(spec.job)
    try:
        known = lookup_secrets(secrets.references(spec.model_dump(mode="json")))
        result = process.run(
            spec,
            known,
            on_line=lambda level, text: operator.log.log(levels[level], "%s", text),
            wanted=wanted,
            store=store_of(operator.aws_conn_id),
        )
    except DataOpsError as error:
        tell_failure(spec, error)
        fail(error, page)
    finally:
        operator._process = None
    send_metrics(result)
    if result["status"] == "failed" and "verdict" not in result:
        fail(from_dict(result["error"] or {}), page)
    return result


def store_of(aws_conn_id: str | None) -> StoreAccess | None:
    """Return how jobs reach S3 by a connection; None without one.

    Raises:
        AirflowNotFoundException: There is no such connection.
        SpecError: Something in it cannot be meant, or is not supported (``S3_SETTINGS``, ``S3_KEYS_INCOMPLETE``).
    """
    from airflow_dataops.clients.store_environment import access_by_settings
    from airflow_dataops.hooks._secrets import lookup_secrets
    from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook

    settings = SparkKubernetesHook(None, aws_conn_id).s3()
    if settings is None:
        return None
    keys = settings.keys(lambda reference: lookup_secrets([reference])[reference])
    return access_by_settings(settings, keys, os.environ)


def supervised() -> Callable[[], bool]:
    """Return a function that says whether what supervises this task is still there.

    A task whose supervisor was killed is not told; Airflow starts another try beside it, and both would do the same work. A parent that
    leads a session is a shell, or a container's first process: ``nohup airflow dags test … &`` outlives its shell.
    """
    parent = os.getppid()
    try:
        leads = os.getsid(parent) == parent
    except OSError:  # it is gone already, or another user's
        leads = False
    return lambda: leads or os.getppid() == parent


def fail(error: DataOpsError, page: str | None = None) -> NoReturn:
    """Raise what Airflow understands: what may pass stays as it is and is retried, all else is not.

    Raises:
        AirflowFailException: The error, with its hint and the page.
        TransientError: The error itself.
    """
    from airflow_dataops.core.failure_text import job_failure

    if error.retryable:
        raise error
    raise AirflowFailException(job_failure(error, page)) from error


def suite_of(operator: HasDag, suite: dict[str, Any] | str | None) -> dict[str, Any] | None:
    """Return a suite that may be given as the path of its file.

    Raises:
        AirflowFailException: The file is missing or no suite.
    """
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.operators._context import read_suite

    if not isinstance(suite, str):
        return suite
    try:
        return read_suite(suite, str(Path(operator.dag.fileloc).parent))
    except DataOpsError as error:
        fail(error)


def renamed_slice(spec: RefineSpec) -> dict[str, Any]:
    """Return the slice of a refine job in the column names of its target."""
    owned = spec.slice.model_dump(mode="json")
    if "column" in owned:
        owned["column"] = spec.clean.rename.get(owned["column"], owned["column"])
    return owned


def tell_assets(operator: Publishing, context: Any, published: Mapping[str, Any]) -> None:
    """Put the rows that were published into the events of the task's assets."""
    from airflow.providers.common.compat.sdk import Asset

    said = {
        name: published[name]
        for name in ("table", "version", "files_added", "files_removed")
        if published.get(name) is not None
    }
    extra = {"rows": published["rows"]["written"], "run_key": published["run"]["key"], **said}
    for outlet in operator.outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update(extra)


def stop(operator: JobOperator) -> None:
    """End the job that is running, at once; for ``on_kill``."""
    if operator._process is not None:
        operator._process.stop()


def announce_page(operator: Paged, context: Any, spec: JobSpec) -> str:
    """Leave the page's address for the task's link before the work starts, so that a task that fails has it, too."""
    from airflow_dataops.core.layout import RunLayout

    page = address_of(RunLayout(spec.lake, spec.run.pipeline, spec.run.key), operator.report_base_url)
    context["ti"].xcom_push(key=XCOM_KEY, value=page)
    if is_local(spec.lake):
        try:
            remember_lake(airflow_home(), spec.lake)
        except OSError as error:
            operator.log.info("the page will not be served by Airflow's web server: %s", error)
    return page


def small(result: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return what of a result goes into XCom: verdict, counts and addresses."""
    kept = {name: result[name] for name in _XCOM_FIELDS if result.get(name) is not None}
    reasons = [str(reason)[:_LONGEST_REASON] for reason in (result.get("reasons") or [])[:_REASONS]]
    run = {"pipeline": result["run"]["pipeline"], "run_key": result["run"]["key"]}
    return {**run, **kept, **({"reasons": reasons} if reasons else {}), **more}


def send_metrics(result: Mapping[str, Any]) -> None:
    """Send what the result is worth to Airflow's metrics."""
    from airflow_dataops.core.metrics import metrics_of

    for metric in metrics_of(result):
        if metric.kind == "incr":
            Stats.incr(metric.name, int(metric.value), tags=metric.tags)
        else:
            getattr(Stats, metric.kind)(metric.name, metric.value, tags=metric.tags)


def tell_failure(spec: JobSpec, error: DataOpsError) -> None:
    """Count a failed job by its error's code."""
    area = {"dq_gate": "dataops.dq", "dask_job": "dataops.dask_job"}.get(spec.job, "dataops.refine")
    tags = {"pipeline": spec.run.pipeline, "task": spec.task, "code": error.code}
    Stats.incr(f"{area}.failed", tags=tags)


__all__ = [
    "build_spec",
    "fail",
    "plain",
    "renamed_slice",
    "run_job",
    "send_metrics",
    "small",
    "step_document",
    "stop",
    "suite_of",
    "task_name",
    "tell_assets",
]
