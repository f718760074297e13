# SPDX-License-Identifier: Apache-2.0
"""What the driver's OpenLineage listener is told, and that nothing of it can fail a task or show a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_dataops.core.errors import GateFailed
from airflow_dataops.core.spark_k8s.state import CallKind
from tests.unit.operators.shell import Shell
from tests.unit.operators.spark_k8s import step
from tests.unit.operators.spark_k8s.memory import World, shell

pytestmark = [pytest.mark.airflow]
pytest.importorskip(
    "airflow.providers.openlineage", reason="needs OpenLineage: pip install 'airflow-dataops[openlineage]'"
)

KEY = "0aB-key-of-lineage"
BOTH = {"openlineage_inject_parent_job_info": True, "openlineage_inject_transport_info": True}


def task_of(**given: Any) -> Shell:
    task = shell(**given)
    when = datetime(2026, 1, 2, tzinfo=UTC)
    task.ti.logical_date = when
    task.ti.dag_run = SimpleNamespace(logical_date=when, run_after=when, clear_number=0, conf={}, run_id="manual__2026")
    task.ti.get_template_context = lambda: {"dag_run": task.ti.dag_run}
    return task


def properties(world: World) -> dict[str, str]:
    """Return the driver's properties by the ConfigMap."""
    [config] = [one for one in world.documents if one["kind"] == "ConfigMap"]
    lines = config["data"]["spark.properties"].splitlines()
    split = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return {name.strip(): value.strip() for name, _, value in split}


def transport(monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """Give this Airflow a transport, as its configuration does."""
    from airflow.providers.openlineage.utils import spark
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    monkeypatch.delenv("OPENLINEAGE_DISABLED", raising=False)
    made = OpenLineageClient(transport=HttpTransport(HttpConfig.from_dict({"url": "http://lineage:5000", **more})))
    adapter = SimpleNamespace(get_or_create_openlineage_client=lambda: made)
    monkeypatch.setattr(spark, "get_openlineage_listener", lambda: SimpleNamespace(adapter=adapter))


def test_the_driver_is_a_child_of_its_task(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    transport(monkeypatch)
    task_of(**BOTH).run()
    found = {name: value for name, value in properties(world).items() if name.startswith("spark.openlineage.")}
    assert found["spark.openlineage.parentJobName"] == "d.sum"
    assert len(found["spark.openlineage.parentRunId"]) == 36
    assert found["spark.openlineage.transport.type"] == "http"
    assert found["spark.openlineage.transport.url"].replace("\\", "") == "http://lineage:5000"


def test_without_the_switches_nothing_is_told(world: World) -> None:
    task_of().run()
    assert not [name for name in properties(world) if "openlineage" in name]


def test_what_the_program_says_itself_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    transport(monkeypatch)
    task = task_of(**BOTH)
    task.operator.app = {**task.operator.app, "conf": {"spark.openlineage.transport.type": "console"}}
    task.run()
    assert properties(world)["spark.openlineage.transport.type"] == "console"
    assert "spark.openlineage.transport.url" not in properties(world)


@pytest.mark.parametrize(
    "more",
    [
        {"auth": {"type": "api_key", "apiKey": KEY}},
        {"custom_headers": {"X-Team": KEY}},
        {"url": f"http://kim:{KEY}@lineage"},
    ],
    ids=["key", "header", "address"],
)
def test_a_key_stays_with_airflow(
    world: World, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str], more: dict[str, Any]
) -> None:
    transport(monkeypatch, **more)
    task_of(**BOTH).run()
    found = properties(world)
    assert "spark.openlineage.parentRunId" in found
    assert not [name for name in found if "transport" in name]
    text = said()
    assert text.count("the transport is not passed on") == 1
    assert KEY not in text + json.dumps(world.documents)


def test_whatever_goes_wrong_is_a_warning(
    world: World, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    from airflow.providers.common.compat.openlineage.utils import spark

    def broken(*_: Any) -> Any:
        raise RuntimeError("no listener today")

    monkeypatch.setattr(spark, "inject_parent_job_information_into_spark_properties", broken)
    assert task_of(**BOTH).run()["exit_code"] == 0
    assert said().count("OpenLineage: nothing is passed to the driver") == 1


def test_another_try_is_another_parent_and_the_same_driver(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    transport(monkeypatch)
    task_of(**BOTH).begin()
    found = task_of(number=2, **BOTH).run()
    assert found["adopted"]
    assert world.kube.count(CallKind.CREATE_POD) == 1


def test_the_switches_are_the_providers_settings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_dataops.operators.spark_k8s import _submit

    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__SPARK_INJECT_PARENT_JOB_INFO", "true")
    assert _submit._lineage("spark_inject_parent_job_info")
    assert not _submit._lineage("spark_inject_transport_info")


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_step_tells_what_it_read_and_wrote(world: World, deferrable: bool) -> None:
    from airflow.providers.openlineage.extractors.base import DefaultExtractor

    rows = {"read": 5, "written": 4}
    step.ends(world, {**step.GATED, "rows": rows}, {**step.PUBLISHED, "rows": rows})
    gate, publish = (step.shell(one, deferrable=deferrable) for one in (step.GATE, step.PUBLISH))
    gate.run()
    publish.ti.run_id = "another"
    publish.run()
    found = DefaultExtractor(gate.operator).extract_on_complete(gate.ti)
    [source] = found.inputs
    assert (source.namespace, source.name, found.outputs) == ("s3://lake", "b/2024-01-02", [])
    assert source.inputFacets["inputStatistics"].rowCount == 5
    [assertion] = source.inputFacets["dataQualityAssertions"].assertions
    assert (assertion.assertion, assertion.success) == ("rules_critical", True)
    [table] = DefaultExtractor(publish.operator).extract_on_complete(publish.ti).outputs
    assert (table.namespace, table.name) == ("s3://lake", "s")
    assert table.outputFacets["outputStatistics"].rowCount == 4


def test_a_step_that_did_not_pass_tells_what_it_looked_at(world: World) -> None:
    from airflow.providers.openlineage.extractors.base import DefaultExtractor

    step.ends(world, GateFailed("2 rules failed"))
    gate = step.shell(step.GATE)
    with pytest.raises(AirflowFailException):
        gate.run()
    [source] = DefaultExtractor(gate.operator).extract_on_failure(gate.ti).inputs
    assert (source.name, source.inputFacets) == ("b/2024-01-02", {})
