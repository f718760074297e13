# SPDX-License-Identifier: Apache-2.0
"""What is told of a run that has ended."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.failures import Reason, failure
from airflow_dataops.core.spark_k8s.report import document_of, failure_line, metrics_of, result_of
from airflow_dataops.core.spark_k8s.state import Outcome, Summary
from tests.house.tree import ROOT
from tests.unit.core.spark_k8s.samples import parts

RAN = Summary(app_id="a-1", pod="p", exit_code=0, result='{"rows": 3}', pending_seconds=2.0, run_seconds=60.25)


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), (" \n", None), ('{"a": 1}', {"a": 1}), ("3", 3), ("null", None), ("done", "done"), ("{", "{")],
)
def test_a_result_is_json_where_it_is_that(text: str, value: Any) -> None:
    assert result_of(text) == value


def test_a_run_that_never_had_a_driver_has_no_addresses() -> None:
    found = document_of(parts("target.console", "https://c"), Outcome(failure=failure(Reason.QUOTA_EXCEEDED, "full")))
    assert (found["history_url"], found["pod_url"], found["seconds"], found["exit_code"]) == (None, None, {}, None)
    assert found["failure"]["code"] == "QUOTA_EXCEEDED"


def test_a_result_in_s3_is_not_taken_from_the_termination_message() -> None:
    assert document_of(parts(), Outcome(summary=RAN))["result"] == {"rows": 3}
    assert document_of(parts("app.result", "s3a://b/r.json"), Outcome(summary=RAN))["result"] is None


def test_times_are_milliseconds_and_a_failure_counts_under_its_code() -> None:
    found = {one.name: one for one in metrics_of(Outcome(summary=RAN), {"dag_id": "d"})}
    assert found["dataops.spark_k8s.seconds.run"].value == 60250
    assert found["dataops.spark_k8s.succeeded"].tags == {"dag_id": "d"}
    [failed] = [one for one in metrics_of(Outcome(failure=failure(Reason.EVICTED, "x")), {}) if one.kind == "incr"]
    assert (failed.name, failed.tags) == ("dataops.spark_k8s.failed", {"code": "EVICTED"})


def test_the_metrics_are_those_of_the_page() -> None:
    ran = RAN.model_copy(update={"adopted": True})
    ends = (Outcome(summary=ran), Outcome(summary=ran, failure=failure(Reason.EVICTED, "x")))
    names = {one.name.removeprefix("dataops.spark_k8s.") for end in ends for one in metrics_of(end, {})}
    page = (ROOT / "docs/how-to/spark_k8s.md").read_text(encoding="utf-8")
    [told] = re.findall(r"Metrics `dataops\.spark_k8s\.\*`: ([^;]*?)\.\n", page)
    assert names == set(re.findall(r"`([\w.]+)`", told.replace("(tag `code`)", "")))


def test_a_failure_is_one_line_whatever_it_says() -> None:
    assert failure_line(failure(Reason.APP_ERROR, "one\n two", hint="mend\nit")) == "APP_ERROR: one two -> mend it"
