# SPDX-License-Identifier: Apache-2.0
"""Who tells a driver's last lines: in whole runs, the trigger only of drivers that it deletes, and of those that another one follows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.log_rest import Rest, rest_of
from airflow_dataops.core.spark_k8s.state import CallKind, Doomed, Outcome, Phase, State

ENDED: dict[str, Any] = {"ended": Stage.SUCCEEDED, "uid": "u"}
LEFT = Doomed(kind=CallKind.DELETE_POD, name="sum-a1", uid="u")
SECOND = Doomed(kind=CallKind.DELETE_POD, name="sum-a2", uid="v", runs=True)


def state(**fields: Any) -> State:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    identity = RunIdentity(instance="i", dag_id="d", task_id="t", run_id="r")
    return State(identity=identity, mode="direct", own={}, spec="s", work_until=now, find_until=now, **fields)


@pytest.mark.parametrize(
    ("fields", "rest"),
    [
        ({"phase": Phase.WATCH}, Rest.NONE),
        ({"phase": Phase.DROP, "outcome": Outcome(), "doomed": (SECOND,)}, Rest.NONE),  # it is deleted while it runs
        ({"phase": Phase.JUDGE, **ENDED}, Rest.OPEN),
        ({"phase": Phase.FIND, "outcome": Outcome(), **ENDED}, Rest.OPEN),
        ({"phase": Phase.DROP, "doomed": (LEFT,), **ENDED}, Rest.HERE),  # another one follows
        ({"phase": Phase.FIND, **ENDED}, Rest.HERE),  # the same, and this one is kept
        ({"phase": Phase.DROP, "outcome": Outcome(), "doomed": (LEFT, SECOND), **ENDED}, Rest.HERE),
        ({"phase": Phase.DROP, "outcome": Outcome(), "doomed": (LEFT,), **ENDED}, Rest.TASK),
        ({"phase": Phase.END, "outcome": Outcome(), **ENDED}, Rest.TASK),
    ],
)
def test_who_tells_the_rest(fields: dict[str, Any], rest: Rest) -> None:
    assert rest_of(state(**fields)) is rest
