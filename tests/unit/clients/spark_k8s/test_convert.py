# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.clients.spark_k8s.convert import application_view, event_view, log_source, object_view, pod_view
from airflow_dataops.core.spark_k8s.application_state import Stage

META = {"name": "p", "uid": "u"}


def box(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "metadata": META,
        "status": {"phase": "Running", "containerStatuses": [{"name": "main", "state": state, **more}]},
    }


def test_a_pod_that_nobody_has_looked_at_waits() -> None:
    view = pod_view({"metadata": META, "spec": {}})
    assert (view.phase, view.node, view.containers, view.stage) == ("Pending", "", (), Stage.WAITS)


def test_how_a_container_ended_is_told() -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled", "message": "last", "finishedAt": "2026-01-02T12:00:00Z"}
    (container,) = pod_view(box({"terminated": ended})).containers
    assert (container.state, container.exit_code, container.reason, container.message) == (
        "terminated",
        137,
        "OOMKilled",
        "last",
    )
    assert container.finished_at == datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_deletion_began_its_grace_period_before_the_time_that_the_api_tells() -> None:
    meta = META | {"deletionTimestamp": "2026-01-02T12:00:30Z", "deletionGracePeriodSeconds": 30}
    assert pod_view({"metadata": meta}).deleting_since == datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("status", [None, {}, {"containerStatuses": None, "conditions": None}, {"phase": None}])
def test_fields_that_are_null_are_missing(status: Any) -> None:
    assert pod_view({"metadata": META | {"labels": None}, "spec": None, "status": status}).phase == "Pending"


def test_an_application_of_kubeflows_operator() -> None:
    status = {
        "applicationState": {"state": "FAILED", "errorMessage": "why"},
        "sparkApplicationId": "s",
        "driverInfo": {"podName": "d"},
    }
    view = application_view({"metadata": META, "status": status})
    assert (view.stage, view.message, view.app_id, view.driver_pod) == (Stage.FAILED, "why", "s", "d")


def test_an_application_of_apaches_operator() -> None:
    states = ["Submitted", "RunningHealthy", "Succeeded", "ResourceReleased"]
    history = {str(number): {"currentStateSummary": state} for number, state in reversed(list(enumerate(states)))}
    status = {"currentState": {"currentStateSummary": states[-1], "message": "m"}, "stateTransitionHistory": history}
    view = application_view({"metadata": META, "status": status})
    assert (view.history, view.stage, view.message) == (tuple(states), Stage.SUCCEEDED, "m")


def test_an_event_of_either_api() -> None:
    old = event_view({"reason": "Failed", "message": "m", "count": 3, "lastTimestamp": "2026-01-02T12:00:00Z"})
    new = event_view(
        {"reason": "Failed", "note": "m", "eventTime": "2026-01-02T12:00:00.000001Z", "series": {"count": 3}}
    )
    assert (old.message, old.count, new.message, new.count) == ("m", 3, "m", 3)
    assert event_view({}).last is None


def test_an_object_says_whose_it_is() -> None:
    assert object_view({"metadata": META | {"ownerReferences": [{"uid": "o"}]}}).owner == "o"
    assert object_view({"metadata": META}).owner == ""


@pytest.mark.parametrize(
    ("state", "more", "instance", "previous", "ended"),
    [
        ({"waiting": {"reason": "ContainerCreating"}}, {}, "", "", False),
        ({"running": {}}, {"containerID": "c1"}, "c1", "", False),
        ({"terminated": {"containerID": "c1"}}, {"containerID": "c1"}, "c1", "", True),
        ({"running": {}}, {"containerID": "c2", "lastState": {"terminated": {"containerID": "c1"}}}, "c2", "c1", False),
        ({"waiting": {}}, {"containerID": "c1", "lastState": {"terminated": {"containerID": "c1"}}}, "c1", "", True),
    ],
)
def test_where_the_log_is(
    state: dict[str, Any], more: dict[str, Any], instance: str, previous: str, ended: bool
) -> None:
    source = log_source(box(state, **more), "spark-kubernetes-driver")
    assert (source.container, source.instance, source.previous, source.ended) == ("main", instance, previous, ended)


def test_the_last_words_of_apaches_operator_are_those_before_all_was_over() -> None:
    failed = {"currentStateSummary": "Failed", "message": "exit code 3"}
    over = {"currentStateSummary": "TerminatedWithoutReleaseResources", "message": "kept as configured"}
    view = application_view(
        {"metadata": META, "status": {"currentState": over, "stateTransitionHistory": {"4": failed, "5": over}}}
    )
    assert (view.stage, view.message) == (Stage.FAILED, "exit code 3")


def test_a_pod_tells_which_application_it_belongs_to() -> None:
    owners = [{"kind": "Job", "name": "j", "uid": "1"}, {"kind": "SparkApplication", "name": "a", "uid": "2"}]
    assert pod_view({"metadata": META | {"ownerReferences": owners}}).owner == "a"
    assert pod_view({"metadata": META}).owner == ""
