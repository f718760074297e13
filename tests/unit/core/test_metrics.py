# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from airflow_dataops.core.dq_gate.spec import GateResult, RuleOutcome
from airflow_dataops.core.metrics import metrics_of
from airflow_dataops.core.refine.spec import PublishResult, RefineResult, RunResult
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import JobResult, RowCounts

COMMON: dict[str, Any] = {"task": "t", "run": RunContext(pipeline="p", key="k"), "seconds": {"total": 1.5}}


def names(result: JobResult) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics_of(result.model_dump(mode="json"))}


def test_a_gate_counts_rows_and_rules_by_severity() -> None:
    rules = [
        RuleOutcome(id="a", type="a", passed=False),
        RuleOutcome(id="b", type="b", passed=False, severity="warning"),
        RuleOutcome(id="c", type="c", passed=True),
    ]
    found = names(GateResult(**COMMON, verdict="failed", rules=rules, rows=RowCounts(read=10, quarantined=2)))
    assert found == {
        "dataops.dq.rows_read": 10,
        "dataops.dq.rows_quarantined": 2,
        "dataops.dq.rules": 3,
        "dataops.dq.rules_failed": 2,
        "dataops.dq.rules_failed_critical": 1,
        "dataops.dq.verdict": 1,
        "dataops.dq.duration": 1500.0,
    }


def test_a_refine_adds_up_what_was_dropped() -> None:
    counts = RowCounts(read=10, dropped={"a": 1, "b": 2}, deduplicated=1, written=6)
    found = names(RefineResult(**COMMON, rows=counts, bytes_written=99))
    assert found["dataops.refine.rows_dropped"] == 3
    assert found["dataops.refine.bytes_written"] == 99


def test_a_publish_and_a_report_have_names_of_their_own() -> None:
    published = names(PublishResult(**COMMON, table="/s", files_added=2, rows=RowCounts(written=6)))
    assert (published["dataops.refine.publish.rows"], published["dataops.refine.publish.files_added"]) == (6, 2)
    assert set(names(RunResult(**COMMON, title="T", verdict="passed"))) == {
        "dataops.refine.report.verdict",
        "dataops.refine.report.duration",
    }


def test_tags_are_pipeline_task_and_verdict_only() -> None:
    tags = [
        metric.tags for metric in metrics_of(RunResult(**COMMON, title="T", verdict="warned").model_dump(mode="json"))
    ]
    assert {"pipeline": "p", "task": "t", "verdict": "warned"} in tags
    assert all(set(one) <= {"pipeline", "task", "verdict"} for one in tags)
