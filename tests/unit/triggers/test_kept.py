# SPDX-License-Identifier: Apache-2.0
"""What a trigger leaves for the process after it, in the XCom of this Airflow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dataops.triggers._kept import Kept

pytestmark = pytest.mark.airflow


class Probe(BaseTrigger):
    """Writes a document and reads it, as a trigger of ours does: beside the event loop."""

    def __init__(self, **place: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.place = place

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.Probe", self.place

    async def run(self) -> AsyncIterator[TriggerEvent]:
        import asyncio

        # A run of dag.test() gives a trigger no task instance.
        kept = Kept(SimpleNamespace(**self.place), "told")
        before = await asyncio.to_thread(kept.read)
        await asyncio.to_thread(kept.write, {"line": 7})
        yield TriggerEvent([before, await asyncio.to_thread(kept.read)])  # type: ignore[no-untyped-call]


def test_airflow_keeps_it(run_dag: Callable[..., Any]) -> None:
    from airflow.providers.common.compat.sdk import DAG, BaseOperator

    class Defers(BaseOperator):
        def execute(self, context: Any) -> None:
            names = ("dag_id", "task_id", "run_id", "map_index", "try_number")
            self.defer(trigger=Probe(**{name: getattr(context["ti"], name) for name in names}), method_name="done")

        def done(self, context: Any, event: Any) -> Any:
            return event

    with DAG("kept", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False) as dag:
        Defers(task_id="one")
    run = run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC))
    assert run.get_task_instance("one").xcom_pull(task_ids="one") == [None, {"line": 7}]


def test_it_never_raises_and_another_try_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_dataops.triggers import _kept

    store: dict[str, Any] = {}
    monkeypatch.setattr(_kept.XCom, "set", lambda key, value, **place: store.update({key: value}))
    monkeypatch.setattr(_kept.XCom, "get_one", lambda key, **place: store.get(key))
    one, two = (SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=n) for n in (1, 2))
    Kept(one, "k").write("x")
    assert (Kept(one, "k").read(), Kept(two, "k").read(), Kept(None, "k").read()) == ("x", None, None)

    def broken(**_: Any) -> Any:
        raise OSError("no database")

    monkeypatch.setattr(_kept.XCom, "set", broken)
    monkeypatch.setattr(_kept.XCom, "get_one", broken)
    Kept(one, "k").write("y")
    assert Kept(one, "k").read() is None
