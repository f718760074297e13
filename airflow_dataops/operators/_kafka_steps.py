# SPDX-License-Identifier: Apache-2.0
"""The steps of all tasks that look at a consumer group: what is asked for, the looks, and how the task ends."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_dataops.operators._refusal import fail, written

if TYPE_CHECKING:
    from airflow_dataops.core.kafka_health.check import HealthCheck
    from airflow_dataops.core.kafka_health.course import Course
    from airflow_dataops.core.kafka_health.hand_over import HealthReport
    from airflow_dataops.operators._kafka_memory import Memory

_SPARE = timedelta(minutes=5)  # the trigger has its own end, and tells why; Airflow's is for one that does not answer


class Looking(Protocol):
    """A task that looks."""

    group: str
    topics: Any
    check: Any
    kafka_config_id: str
    aws_conn_id: str | None
    ssh_conn_id: str | None
    deferrable: bool
    partition_metrics: bool

    @property
    def log(self) -> Any: ...

    def defer(self, *, trigger: Any, method_name: str, timeout: timedelta | None) -> Any: ...


class Checking(Looking, Protocol):
    """A task that gives a verdict."""

    remember: Any
    asset: Any
    on_warning: Any


@dataclass(frozen=True)
class Begun:
    """What a task has before its first look.

    Attributes:
        check: What is looked for.
        course: How often, or until when.
        window: What earlier runs saw, packed.
        ends_at: No look begins after that, in seconds since 1970.
    """

    check: HealthCheck
    course: Course
    window: str | None = None
    ends_at: float | None = None


def with_asset(arguments: Mapping[str, Any], asset: Any) -> dict[str, Any]:
    """Return a task's arguments with an asset that it reads the state of, and may tell of.

    An outlet would get an event at each success; an alias gets those that the task adds.
    """
    from airflow.providers.common.compat.sdk import AssetAlias

    inlets, outlets = (_listed(arguments.get(name)) for name in ("inlets", "outlets"))
    return {**arguments, "inlets": [*inlets, asset], "outlets": [*outlets, AssetAlias(alias_of(asset))]}


def alias_of(asset: Any) -> str:
    """Return the name of the alias by which a check tells of an asset."""
    return f"dataops_kafka_health:{getattr(asset, 'name', None) or asset.uri}"


def check_of(operator: Looking, **defaults: Any) -> HealthCheck:
    """Return what is asked for.

    Args:
        operator: Its attributes are read, after Airflow has rendered them.
        defaults: What holds where the author says nothing.

    Raises:
        AirflowFailException: It is not valid (``KAFKA_CHECK_INVALID``).
    """
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.core.kafka_health.check import parse

    given = written(operator.check) or {}
    if not isinstance(given, Mapping):
        raise AirflowFailException(f"KAFKA_CHECK_INVALID: check is a {type(given).__name__} -> write a dict")
    topics = {} if operator.topics is None else {"topics": operator.topics}
    try:
        return parse({**defaults, **given, "group": operator.group, **topics})
    except DataOpsError as error:
        fail(error)


def memory_of(operator: Checking, context: Any) -> Memory | None:
    """Return where the looks of earlier runs are; None where they do not count.

    Raises:
        AirflowFailException: There is no such way to remember.
    """
    from airflow_dataops.operators._kafka_memory import Memory

    if operator.remember not in ("runs", "task"):
        raise AirflowFailException(f"KAFKA_CHECK_INVALID: remember is {operator.remember!r}; known are runs, task")
    if operator.remember == "task":
        return None
    about = {"group": operator.group, "connection": operator.kafka_config_id}
    return Memory(context, operator.asset, about, operator.log)


def looked(operator: Looking, context: Any, begun: Begun, then: str) -> HealthReport:
    """Look, here or after the first time in the triggerer, until it is over.

    Args:
        operator: The task.
        context: Airflow's.
        begun: What it has before its first look.
        then: Method that goes on with the trigger's event.

    Raises:
        TaskDeferred: The triggerer goes on.
        AirflowFailException: The connection cannot be meant.
        TransientError: A token was not to be had.
    """
    from airflow_dataops.clients.drive import run_blocking
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.core.kafka_health.packing import unpack
    from airflow_dataops.triggers._kafka_looks import Teller, watch_of

    names = ("kafka_config_id", "aws_conn_id", "ssh_conn_id")
    connection = {name: getattr(operator, name) for name in names}
    tell = Teller(operator.log, context["ti"], by_partition=operator.partition_metrics)
    watch = watch_of(begun.check, connection, tell)
    most = 1 if operator.deferrable else None
    window = unpack(begun.window)
    try:
        watched = run_blocking(watch.follow(begun.course, window, ends_at=begun.ends_at, most=most))
    except DataOpsError as error:
        fail(error)
    late = begun.ends_at is not None and time.time() + begun.check.interval.total_seconds() > begun.ends_at
    if operator.deferrable and not watched.course.over and not late:
        before = watched.verdict.before
        _defer(operator, begun, watched, connection, before.value if before else None, then)
    return watched.report(begun.check)


def _defer(operator: Looking, begun: Begun, watched: Any, connection: dict[str, Any], before: Any, then: str) -> None:
    from airflow_dataops.core.kafka_health.packing import pack
    from airflow_dataops.triggers.kafka_health import KafkaConsumerHealthTrigger

    check = begun.check
    longest = (check.looks + 1) * (check.interval + 2 * check.timeout)
    if begun.ends_at is not None:
        longest = timedelta(seconds=begun.ends_at - time.time()) + check.interval + 2 * check.timeout
    trigger = KafkaConsumerHealthTrigger(
        check=check.model_dump(mode="json", exclude_unset=True),
        connection=connection,
        course=watched.course.document(),
        window=pack(watched.window),
        before=before,
        ends_at=begun.ends_at,
        by_partition=operator.partition_metrics,
    )
    operator.defer(trigger=trigger, method_name=then, timeout=longest + _SPARE)


def report_in(operator: Looking, event: Mapping[str, Any]) -> HealthReport:
    """Return what a trigger's event tells, and tell in the task's log what the trigger had no room for.

    Raises:
        AirflowFailException: The looks were ended by an error that stays.
        TransientError: They were ended by one that may pass.
    """
    from airflow_dataops.core.errors import from_dict
    from airflow_dataops.core.kafka_health.hand_over import HealthReport

    if "error" in event:
        fail(from_dict(dict(event["error"])))
    report = HealthReport.model_validate(event)
    for line in report.lines:
        operator.log.info("%s", line)
    return report


def conclude(operator: Checking, context: Any, report: HealthReport, memory: Memory | None) -> dict[str, Any]:
    """Keep what was seen, tell who wants to know, and end as the verdict says.

    Raises:
        AirflowFailException: The group is critical, or the account refused.
        AirflowSkipException: As ``on_unknown`` says.
        TransientError: As ``on_unknown`` says; Airflow tries again.
    """
    from airflow_dataops.core.errors import TransientError
    from airflow_dataops.core.kafka_health.outcome import Action

    if memory is not None:
        memory.write(report.window)
    if report.action is not Action.SUCCEED:
        context["ti"].xcom_push(key="return_value", value=report.document)
        operator.log.error("%s", report.line)
    if report.action is Action.FAIL:
        raise AirflowFailException(f"{report.code}: {report.why}")
    if report.action is Action.RETRY:
        raise TransientError(report.why, code=report.code)
    if report.action is Action.SKIP:
        raise AirflowSkipException(report.why)
    if report.event and operator.asset is not None:
        # Airflow 2 takes no lists and no dicts into the event of an alias.
        told = {name: report.document[name] for name in ("group", "severity", "before", "total_lag")}
        told["codes"] = " ".join(report.document["counts"])
        context["outlet_events"][_alias(operator.asset)].add(operator.asset, extra=told)
    if report.alert is not None:
        context["ti"].xcom_push(key="return_value", value=report.document)  # who alerts reads the reasons there
        _alert(operator, context, report.alert)
    return report.document


def _alias(asset: Any) -> Any:
    from airflow.providers.common.compat.sdk import AssetAlias

    return AssetAlias(alias_of(asset))


def _alert(operator: Checking, context: Any, severity: str) -> None:
    """Call who wants to know of a warning; an alert that fails makes no task fail."""
    context["dataops_severity"] = severity
    for callback in _listed(operator.on_warning):
        try:
            callback(context)
        except Exception:
            operator.log.exception("the alert was not sent: %r", callback)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


__all__ = ["Begun", "check_of", "conclude", "looked", "memory_of", "report_in", "with_asset"]
