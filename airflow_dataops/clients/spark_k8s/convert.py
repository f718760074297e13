# SPDX-License-Identifier: Apache-2.0
"""Documents of the API as the core wants to see them. Whatever a later Kubernetes adds is not looked at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_dataops.core.spark_k8s.application_state import OVER
from airflow_dataops.core.spark_k8s.log_cursor import LogSource
from airflow_dataops.core.spark_k8s.observation import (
    DRIVER_CONTAINER,
    ApplicationView,
    ConditionView,
    ContainerView,
    EventView,
    ExecutorView,
    ObjectView,
    PodView,
)

Document = Mapping[str, Any]


def pod_view(pod: Document) -> PodView:
    """Return a pod."""
    return PodView(**_pod(pod))


def executor_view(pod: Document, lines: tuple[str, ...] = ()) -> ExecutorView:
    """Return an executor's pod with the last lines of its log."""
    return ExecutorView(**_pod(pod), lines=lines)


def application_view(application: Document) -> ApplicationView:
    """Return a SparkApplication of either API: ``sparkoperator.k8s.io/v1beta2`` or ``spark.apache.org/v1``."""
    meta, status = _of(application, "metadata"), _of(application, "status")
    state, current = _of(status, "applicationState"), _of(status, "currentState")
    driver = _of(status, "driverInfo")
    return ApplicationView(
        name=meta["name"],
        uid=meta["uid"],
        labels=dict(_of(meta, "labels")),
        state=str(state.get("state") or current.get("currentStateSummary") or ""),
        message=str(state.get("errorMessage") or _last_words(status)),
        history=_history(status),
        driver_pod=str(driver.get("podName") or ""),
        app_id=str(status.get("sparkApplicationId") or ""),
        created_at=_time(meta.get("creationTimestamp")),
        deleting_since=_deleting_since(meta),
    )


def ended_at(application: Document) -> datetime | None:
    """Return when an application ended, or last went from state to state; None where its operator does not say."""
    status = _of(application, "status")
    return _time(status.get("terminationTime") or _of(status, "currentState").get("lastTransitionTime"))


def event_view(event: Document) -> EventView:
    """Return an event; of one that came several times, when it came last."""
    series = _of(event, "series")
    last = event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime")
    return EventView(
        reason=str(event.get("reason") or ""),
        message=str(event.get("message") or event.get("note") or ""),
        count=int(event.get("count") or series.get("count") or 1),
        last=_time(last or event.get("firstTimestamp")),
    )


def object_view(document: Document) -> ObjectView:
    """Return any other object."""
    meta = _of(document, "metadata")
    owners = meta.get("ownerReferences") or []
    return ObjectView(meta["name"], meta["uid"], dict(_of(meta, "labels")), owners[0]["uid"] if owners else "")


def log_source(pod: Document, container: str = DRIVER_CONTAINER) -> LogSource:
    """Return where a container's log is: of the container of that name, else of the first one.

    The API shows the log of the container that runs; of one that waits for its next start, the log of the last one.
    """
    meta, status = _of(pod, "metadata"), _of(pod, "status")
    found = status.get("containerStatuses") or []
    one: Document = next((entry for entry in found if entry["name"] == container), found[0] if found else {})
    state, last = _of(one, "state"), _of(_of(one, "lastState"), "terminated")
    before = str(last.get("containerID") or "")
    ended, running = _of(state, "terminated"), "running" in state
    instance = str(ended.get("containerID") or (one.get("containerID") or "" if running else "") or before)
    return LogSource(
        pod=meta["name"],
        uid=meta["uid"],
        container=str(one.get("name") or container),
        instance=instance,
        previous=before if before != instance else "",
        ended=bool(ended) or (not running and bool(before)) or status.get("phase") in ("Succeeded", "Failed"),
    )


def _pod(pod: Document) -> dict[str, Any]:
    meta, status = _of(pod, "metadata"), _of(pod, "status")
    return {
        "name": meta["name"],
        "uid": meta["uid"],
        "labels": dict(_of(meta, "labels")),
        "owner": next(
            (one["name"] for one in meta.get("ownerReferences") or () if one["kind"] == "SparkApplication"), ""
        ),
        "phase": str(status.get("phase") or "Pending"),
        "reason": str(status.get("reason") or ""),
        "message": str(status.get("message") or ""),
        "node": str(_of(pod, "spec").get("nodeName") or ""),
        "created_at": _time(meta.get("creationTimestamp")),
        "deleting_since": _deleting_since(meta),
        "containers": tuple(map(_container, status.get("containerStatuses") or ())),
        "init_containers": tuple(map(_container, status.get("initContainerStatuses") or ())),
        "conditions": tuple(map(_condition, status.get("conditions") or ())),
    }


def _container(status: Document) -> ContainerView:
    kind, state = next(iter(_of(status, "state").items()), ("", None))
    said: Document = state or {}
    last = _of(_of(status, "lastState"), "terminated")
    return ContainerView(
        name=status["name"],
        state=kind,
        reason=str(said.get("reason") or ""),
        message=str(said.get("message") or ""),
        exit_code=said.get("exitCode"),
        signal=said.get("signal"),
        restarts=int(status.get("restartCount") or 0),
        last_reason=str(last.get("reason") or ""),
        last_exit_code=last.get("exitCode"),
        started_at=_time(said.get("startedAt")),
        finished_at=_time(said.get("finishedAt")),
    )


def _condition(condition: Document) -> ConditionView:
    return ConditionView(
        type=condition["type"],
        status=str(condition.get("status") or ""),
        reason=str(condition.get("reason") or ""),
        message=str(condition.get("message") or ""),
    )


def _history(status: Document) -> tuple[str, ...]:
    """Return the earlier states that Apache's operator keeps under numbers."""
    return tuple(str(state.get("currentStateSummary") or "") for state in _states(status))


def _last_words(status: Document) -> str:
    """Return what Apache's operator says of the present state, or of the one before where the present one only says that all is over."""
    current = _of(status, "currentState")
    if current.get("currentStateSummary") in OVER:
        before = [state for state in _states(status) if state.get("currentStateSummary") not in OVER]
        told = before[-1].get("message") if before else None
        return str(told or current.get("message") or "")
    return str(current.get("message") or "")


def _states(status: Document) -> list[Document]:
    kept = _of(status, "stateTransitionHistory")
    return [kept[str(number)] for number in sorted(int(number) for number in kept if str(number).isdigit())]


def _deleting_since(meta: Document) -> datetime | None:
    """Return when the deletion was asked for: the API says when its grace period is over."""
    until = _time(meta.get("deletionTimestamp"))
    return None if until is None else until - timedelta(seconds=int(meta.get("deletionGracePeriodSeconds") or 0))


def _of(document: Document, key: str) -> Document:
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
