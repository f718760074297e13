# SPDX-License-Identifier: Apache-2.0
"""The task of a check: what it keeps, what it tells, and how it ends; what the brokers say is written down."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    Asset,
    AssetAlias,
    TaskDeferred,
)

from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.kafka_health.packing import unpack
from airflow_dataops.operators._kafka_memory import KEY
from airflow_dataops.operators.kafka_health import KafkaConsumerHealthOperator
from airflow_dataops.triggers import _kafka_access, _kafka_looks
from tests.kafka_looks import answer, at, dark
from tests.unit.core.kafka_health.samples import GROUP
from tests.unit.operators.shell import Ti, again, fire

pytestmark = pytest.mark.airflow

PASSWORD = "hunter2-hunter2"


class Runs(Ti):
    """A task instance of run after run, whose XComs of earlier runs can be asked for."""

    def xcom_pull(
        self, *, task_ids: str, key: str = "return_value", map_indexes: int = -1, include_prior_dates: bool = False
    ) -> Any:
        found = super().xcom_pull(task_ids=task_ids, key=key, map_indexes=map_indexes)
        return found if include_prior_dates or key != KEY else None


class Events:
    """What a task tells of an asset."""

    def __init__(self) -> None:
        self.added: list[tuple[Any, dict[str, Any]]] = []

    def add(self, asset: Any, extra: dict[str, Any]) -> None:
        self.added.append((asset, extra))


class Task:
    """One task, run after run."""

    def __init__(self, operator: Any, **context: Any) -> None:
        self.operator, self.ti, self.events = operator, Runs(operator.task_id), defaultdict[Any, Events](Events)
        self.context = {"ti": self.ti, "task": operator, "outlet_events": self.events, **context}

    def run(self) -> Any:
        try:
            return self.operator.execute(self.context)
        except TaskDeferred as deferred:
            left = deferred
        return getattr(self.operator, left.method_name)(self.context, fire(again(left.trigger)))

    @property
    def told(self) -> list[dict[str, Any]]:
        return [extra for one in self.events.values() for _, extra in one.added]


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"bootstrap.servers": "nowhere:1", "sasl.password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": extra}))
    monkeypatch.setattr(_kafka_access, "SHARED", _kafka_access.Accesses(_kafka_access._of_hook))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, dict[str, str]]]:
    found: list[tuple[str, Any, dict[str, str]]] = []
    for kind in ("incr", "gauge", "timing"):
        monkeypatch.setattr(
            _kafka_looks.Stats, kind, lambda name, value=1, tags=None, **_: found.append((name, value, tags))
        )
    return found


def task(context: dict[str, Any] | None = None, **given: Any) -> Task:
    check = {"delay": {}, **given.pop("check", {})}
    return Task(KafkaConsumerHealthOperator(task_id="health", group=GROUP, check=check, **given), **(context or {}))


def test_a_good_group_succeeds_with_a_small_document(monkeypatch: pytest.MonkeyPatch, sent: list[Any]) -> None:
    answers = answer(monkeypatch, at(0, 9, 9))
    found = task().run()
    assert (found["severity"], found["total_lag"], found["looks"], found["reasons"]) == ("ok", 0, 1, [])
    assert answers.accesses[0].settings["sasl.password"] == PASSWORD
    names = {name for name, _, _ in sent}
    assert {"dataops.kafka.verdict", "dataops.kafka.lag", "dataops.kafka.topic.lag"} <= names
    assert not any("partition" in name for name in names)
    assert ("dataops.kafka.lag", 0, {"dag_id": "d", "task_id": "health", "group": GROUP}) in sent


def test_partitions_have_metrics_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, sent: list[Any]) -> None:
    answer(monkeypatch, at(0, 9, 9, partitions=3))
    task(partition_metrics=True).run()
    assert [name for name, _, _ in sent].count("dataops.kafka.partition.lag") == 3


def test_what_is_critical_fails_for_good_and_leaves_its_document(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, at(0, 1, 9))
    made = task(check={"lag": {"critical": 5}})
    with pytest.raises(AirflowFailException, match=r"LAG_EXCEEDED: group edge-worker is critical: .* -> "):
        made.run()
    kept = made.ti.xcom_pull(task_ids="health")
    assert (kept["severity"], kept["worst"][0]["lag"]) == ("critical", 8)


@pytest.mark.parametrize(
    ("code", "on_unknown", "kind"),
    [
        ("_TRANSPORT", "fail", TransientError),
        ("SASL_AUTHENTICATION_FAILED", "fail", AirflowFailException),
        ("_TRANSPORT", "skip", AirflowSkipException),
        ("PROBE_CRASHED", "fail", TransientError),
    ],
)
def test_what_is_unknown_ends_as_was_asked(
    monkeypatch: pytest.MonkeyPatch, code: str, on_unknown: str, kind: type[Exception]
) -> None:
    answer(monkeypatch, dark(0, code))
    made = task(check={"on_unknown": on_unknown})
    with pytest.raises(kind):
        made.run()
    assert made.ti.xcom_pull(task_ids="health")["total_lag"] is None


def test_what_is_unknown_may_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, dark(0, "_TRANSPORT"))
    warned: list[Any] = []
    assert task(check={"on_unknown": "warn"}, on_warning=warned.append).run()["severity"] == "unknown"
    assert warned[0]["dataops_severity"] == "warning"


def test_a_warning_succeeds_and_calls_who_wants_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, at(0, 1, 9))
    seen: list[Any] = []

    def broken(_: Any) -> None:
        raise OSError("no chat today")

    def hears(context: Any) -> None:
        seen.append(context["ti"].xcom_pull(task_ids="health")["reasons"])

    found = task(check={"lag": {"warning": 5}}, on_warning=[broken, hears]).run()
    assert found["severity"] == "warning"
    assert seen == [found["reasons"]]
    assert seen[0][0].startswith("LAG_EXCEEDED: ")


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_group_that_stands_still_is_seen_by_looks_of_several_runs(
    monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    answer(monkeypatch, *(at(minute, 1, 9) for minute in range(2)))
    made = task(deferrable=deferrable)
    assert made.run()["severity"] == "ok"
    with pytest.raises(AirflowFailException, match="STALLED"):
        made.run()
    alone = task(remember="task")
    assert [alone.run()["severity"] for _ in range(2)] == ["ok"] * 2


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_may_take_several_looks(monkeypatch: pytest.MonkeyPatch, deferrable: bool, sent: list[Any]) -> None:
    answers = answer(monkeypatch, *(at(minute, 1, 9) for minute in range(3)))
    made = task(check={"looks": 3, "interval": "20s"}, remember="task", deferrable=deferrable)
    with pytest.raises(AirflowFailException, match="STALLED"):
        made.run()
    assert answers.slept == pytest.approx([20.0, 20.0], abs=5)
    assert [name for name, _, _ in sent].count("dataops.kafka.verdict") == 3
    assert made.ti.xcom_pull(task_ids="health")["looks"] == 3


def test_a_trigger_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, at(0, 1, 9))
    made = task(check={"looks": 3}, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        made.operator.execute(made.context)
    said = json.dumps(deferred.value.trigger.serialize())
    assert "kafka_default" in said
    assert PASSWORD not in said
    assert "nowhere:1" not in said
    assert deferred.value.timeout is not None


def test_an_asset_hears_of_changes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [at(0, 9, 9), at(1, 9, 17), at(2, 10, 17), at(3, 17, 17), at(4, 17, 17)]
    answer(monkeypatch, *seen)
    asset = Asset("kafka://prod/edge-worker")
    made = task(check={"lag": {"warning": 5}}, asset=asset)
    assert [made.run()["severity"] for _ in seen] == ["ok", "warning", "warning", "ok", "ok"]
    assert [(one["before"], one["severity"]) for one in made.told] == [("ok", "warning"), ("warning", "ok")]
    assert [one["codes"] for one in made.told] == ["LAG_EXCEEDED", ""]
    assert len({frozenset(one.items()) for one in made.told}) == 2  # as Airflow 2 keeps them
    assert [type(one) for one in made.operator.outlets] == [AssetAlias]
    assert list(made.events) == made.operator.outlets
    assert made.operator.inlets == [asset]


def test_the_state_of_an_asset_keeps_the_looks_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Store(dict[str, Any]):
        set = dict.__setitem__

    asset, store = Asset("kafka://prod/edge-worker"), Store()
    answer(monkeypatch, *(at(minute, 1, 9) for minute in range(2)))
    # a mapping by asset; an Asset of Airflow 2 cannot be a key of a dict
    stores = type("Stores", (), {"__getitem__": lambda self, key: store})()
    made = task({"asset_state_store": stores}, asset=asset)
    made.run()
    with pytest.raises(AirflowFailException, match="STALLED"):
        made.run()
    assert (made.operator.task_id, -1, KEY) not in made.ti.store
    [kept] = store.values()
    window = unpack(kept["window"])
    assert window is not None
    assert len(window.looks) == 2


def test_the_looks_at_another_group_or_cluster_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, *(at(minute, 1, 9) for minute in range(3)))
    made = task()
    made.run()
    made.operator.kafka_config_id = "other"
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "kafka", "extra": {"bootstrap.servers": "x:1"}}))
    assert made.run()["severity"] == "ok"


def test_memory_that_is_broken_makes_no_check_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, at(0, 9, 9))
    made = task()

    def broken(**_: Any) -> None:
        raise OSError("no database today")

    made.ti.xcom_pull = made.ti.xcom_push = broken  # type: ignore[assignment,method-assign]
    assert made.run()["severity"] == "ok"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"check": {"lag": {"critical": "many"}}}, "KAFKA_CHECK_INVALID.*lag"),
        ({"check": {"lagg": {}}}, "lagg"),
        ({"topics": ["no topic!"]}, "no topic!"),
        ({"remember": "always"}, "known are runs, task"),
        ({"kafka_config_id": "nowhere"}, "there is no connection nowhere"),
    ],
)
def test_what_is_not_valid_is_told_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, airflow_db: object, given: dict[str, Any], said: str
) -> None:
    answer(monkeypatch, at(0, 9, 9))
    with pytest.raises(AirflowFailException, match=said):
        task(**given).run()
