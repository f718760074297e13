# SPDX-License-Identifier: Apache-2.0
"""The alerts of infra/gcp hear what the package logs, and its outputs are what dataops.yaml takes."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.dataproc_dask.sweep import SweepReport, Swept
from airflow_dataops.clients.spark_k8s import sweep as spark_sweep
from airflow_dataops.core.dataproc_dask.diagnosis import Failure, Reason
from airflow_dataops.core.dataproc_dask.janitor import Finding, Verdict
from airflow_dataops.core.dataproc_dask.summary import alert_line
from airflow_dataops.core.spark_k8s import failures as spark_failures
from airflow_dataops.core.spark_k8s import janitor as spark_janitor
from airflow_dataops.core.spark_k8s import report as spark_report
from dag_factories.project import TargetConfig
from dag_factories.specs.dask import ClusterChoice, DaskTarget
from tests.unit.core.dataproc_dask.samples import NOW
from tests.unit.infra.terraform import read

MODULE = read()
METRICS: dict[str, Any] = MODULE.locals["log_metrics"]
ALERTS: dict[str, Any] = MODULE.locals["alerts"]
HEARD = pytest.mark.parametrize(
    ("done", "heard"),
    [
        ((), False),
        (("left", "gone"), False),
        (("would_delete",), False),
        (("deleted",), True),
        (("left", "failed"), True),
        (("deleted",) * 10, True),
    ],
)


def _plain(text: str) -> str:
    """Return the text with plain quotes: old versions of the parser return them so, new ones as they are written."""
    return text.replace('\\"', '"')


def _pattern(metric: str) -> re.Pattern[str]:
    [found] = re.findall(r'textPayload=~"(.*)"$', _plain(METRICS[metric]["filter"]))
    return re.compile(found)


def _counted(metric: str, line: str) -> str:
    """Return the code under which a metric counts a line."""
    assert _pattern(metric).search(line)
    [extract] = re.findall(r'REGEXP_EXTRACT\(textPayload, "(.*)"\)', _plain(METRICS[metric]["labels"]["code"]))
    found = re.search(extract, line)
    assert found is not None
    return found[1]


def _line(*done: str) -> str:
    finding = Finding(name="dd-1", uuid="u", verdict=Verdict.EXPIRED, delete=True, text="too old")
    clusters = tuple(Swept(finding=finding, done=one) for one in done)
    return SweepReport(project="p", region="r", at=NOW, dry_run=False, clusters=clusters).alert_line


@pytest.mark.parametrize("reason", Reason)
def test_every_failure_is_counted_under_its_code(reason: Reason) -> None:
    line = alert_line(Failure(code=reason, message="a\nb"))
    assert _counted("dask_failed", line) == reason.value


@HEARD
def test_a_janitor_that_had_work_is_heard(done: tuple[str, ...], heard: bool) -> None:
    assert bool(_pattern("dask_overdue").search(_line(*done))) is heard


@pytest.mark.parametrize("reason", spark_failures.Reason)
def test_every_failure_of_a_driver_is_counted_under_its_code(reason: spark_failures.Reason) -> None:
    line = spark_report.alert_line(spark_failures.Failure(code=reason, message="a\nb", hint="c"))
    assert _counted("spark_failed", line) == reason.value
    assert not _pattern("dask_failed").search(line)


@HEARD
def test_a_janitor_of_drivers_that_had_work_is_heard(done: tuple[str, ...], heard: bool) -> None:
    finding = spark_janitor.Finding(
        kind="pods",
        group="",
        name="d-1",
        uid="u",
        verdict=spark_janitor.Verdict.ORPHANED,
        delete=True,
        text="too old",
    )
    swept = tuple(spark_sweep.Swept(finding=finding, done=one) for one in done)
    line = spark_sweep.SweepReport(namespace="n", at=NOW, dry_run=False, objects=swept).alert_line
    assert bool(_pattern("spark_overdue").search(line)) is heard
    assert not _pattern("dask_overdue").search(line)


def test_a_triggerer_that_stands_still_is_heard_by_airflows_own_words() -> None:
    airflow = importlib.util.find_spec("airflow")
    if airflow is None or not airflow.submodule_search_locations:
        pytest.skip("needs Airflow: pip install 'airflow-dataops[airflow]'")
    source = Path(airflow.submodule_search_locations[0]) / "jobs" / "triggerer_job_runner.py"
    assert _pattern("trigger_slow").search(source.read_text(encoding="utf-8"))


def test_failures_leftovers_and_slow_triggers_of_spark_each_have_an_alert() -> None:
    assert {"spark_failed", "spark_janitor_had_work", "triggers_slow"} <= set(ALERTS)


def test_failure_provisioning_saturation_and_age_each_have_an_alert() -> None:
    assert {"job_failed", "provisioning_failed", "saturated", "cluster_overdue", "janitor_had_work"} <= set(ALERTS)


def test_an_alert_is_labelled_with_its_area() -> None:
    areas = {name: alert["area"] for name, alert in ALERTS.items()}
    assert {name for name, area in areas.items() if area == "spark-k8s"} == {"spark_failed", "spark_janitor_had_work"}
    assert set(areas.values()) == {"dataproc-dask", "spark-k8s", "airflow", "network"}
    [policy] = MODULE.of("google_monitoring_alert_policy")
    assert "each.value.area" in str(policy.body["user_labels"])


def test_every_alert_on_a_log_has_its_metric_and_every_metric_its_alert() -> None:
    used = set(re.findall(r'logged\["(\w+)"\]', _plain(" ".join(alert["filter"] for alert in ALERTS.values()))))
    assert used == set(METRICS)


def test_the_output_for_dataops_yaml_has_only_keys_that_it_takes() -> None:
    value = MODULE.outputs["dataops_target"]["value"]
    assert set(value) <= set(TargetConfig.model_fields)
    assert set(value["dask"]) <= set(DaskTarget.model_fields)
    assert set(value["dask"]["cluster"]) <= set(ClusterChoice.model_fields)
