# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.dq_gate.spec import GateResult, RuleOutcome
from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.spec import PublishSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, TargetSpec
from airflow_dataops.jobs import quarantine
from airflow_dataops.jobs.records import write_result, write_step_spec

END = datetime(2024, 1, 2, tzinfo=UTC)
RUN = RunContext(pipeline="flights", key="k1", interval_start=datetime(2024, 1, 1, tzinfo=UTC), interval_end=END)


@pytest.fixture
def lake(tmp_path: Path) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"id": 1, "_dataops_rules": ["not_null(a)"], "_dataops_time": END},
        {"id": 2, "_dataops_rules": ["not_null(a)", "between(b)"], "_dataops_time": END},
    ]
    layout = RunLayout(str(tmp_path), "flights", "k1")
    for name, part in (("gate", rows), ("refine", rows[:1])):
        path = Path(layout.quarantine, f"{name}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(part), path)
    return str(tmp_path)


def test_runs_with_their_tasks_and_rules(lake: str) -> None:
    [found] = quarantine.list_runs(lake, "flights")
    assert (found.run_key, found.rows, found.time) == ("k1", 3, END)
    assert found.tasks == {"gate": 2, "refine": 1}
    assert found.rules == {"not_null(a)": 3, "between(b)": 1}


def test_a_pipeline_without_bad_rows(lake: str) -> None:
    assert quarantine.list_runs(lake, "other") == []


@pytest.mark.parametrize(("rule", "limit", "ids"), [(None, 20, [1, 2, 1]), ("between(b)", 20, [2]), (None, 2, [1, 2])])
def test_rows_are_shown(lake: str, rule: str | None, limit: int, ids: list[int]) -> None:
    assert [row["id"] for row in quarantine.show(lake, "flights", "k1", rule=rule, limit=limit)] == ids


@pytest.mark.parametrize(("key", "rule", "code"), [("k2", None, "UNKNOWN_RUN"), ("k1", "between(c)", "UNKNOWN_RULE")])
def test_what_is_not_there_is_named_with_what_is(lake: str, key: str, rule: str | None, code: str) -> None:
    with pytest.raises(SpecError, match=r"known are: (k1|between)") as caught:
        quarantine.show(lake, "flights", key, rule=rule)
    assert caught.value.code == code


def test_a_broken_file_is_named(lake: str) -> None:
    Path(RunLayout(lake, "flights", "k1").quarantine, "gate.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match=r"gate\.parquet"):
        quarantine.list_runs(lake, "flights")


def test_forgetting_takes_every_copy(lake: str) -> None:
    layout = RunLayout(lake, "flights", "k1")
    staged = Path(layout.staged_quarantine("gate"))
    staged.parent.mkdir(parents=True)
    staged.write_bytes(Path(layout.quarantine, "refine.parquet").read_bytes())
    outcome = RuleOutcome(id="not_null(a)", type="not_null", passed=False, examples=[{"id": 1}, {"id": 2}])
    write_result(layout, GateResult(task="gate", run=RUN, verdict="quarantined", rules=[outcome]))
    Path(layout.page).write_text("<html>")
    found = quarantine.forget(lake, "flights", "k1")
    assert found == quarantine.Forgotten(rows=4, files=3, examples=2, page=True)
    assert not Path(layout.quarantine).exists()
    assert not staged.exists()
    document: Any = json.loads(Path(layout.step_result("gate")).read_text())
    assert document["rules"][0]["examples"] == []
    assert not Path(layout.page).exists()
    assert quarantine.forget(lake, "flights", "k1").rows == 0


def test_forgetting_an_unknown_run(lake: str) -> None:
    with pytest.raises(SpecError, match="known are: k1"):
        quarantine.forget(lake, "flights", "k9")


def test_a_replay_is_the_same_run(lake: str) -> None:
    target = TargetSpec(path=f"{lake}/silver/flights")
    write_step_spec(PublishSpec(task="publish", lake=lake, run=RUN, target=target, slice=FullSlice()))
    assert quarantine.replay_run(lake, "flights", "k1") == RUN


def test_a_run_without_records_cannot_be_replayed(lake: str) -> None:
    with pytest.raises(SpecError) as caught:
        quarantine.replay_run(lake, "flights", "k1")
    assert caught.value.code == "UNKNOWN_RUN"
