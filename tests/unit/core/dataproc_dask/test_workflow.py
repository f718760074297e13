# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.workflow import check_workflow, workflow_faults, workflow_request
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity
from tests.unit.core.dataproc_dask.samples import IDENTITY, NOW, document, sample

BASE, OWN = names.base_name(IDENTITY), names.run_labels(IDENTITY)


def google(**policy: Any) -> DaskRun:
    """Return the sample without what a workflow cannot do."""
    whole = document(**policy)
    whole["cluster"]["zones"] = ["europe-west1-b"]
    return DaskRun.model_validate(whole)


def asked(run: DaskRun) -> dict[str, Any]:
    return workflow_request(run, base=BASE, labels=OWN | {names.ATTEMPT: "a"}, execution=2, now=NOW)


def test_google_owns_the_cluster_and_its_end() -> None:
    template = asked(google())["template"]
    managed = template["placement"]["managed_cluster"]
    assert "lifecycle_config" not in managed["config"]
    assert template["dag_timeout"] == {"seconds": 7200}
    [step] = template["jobs"]
    assert 3 <= len(step["step_id"]) <= 50
    assert step["step_id"] == BASE


def test_cluster_and_job_say_whose_they_are() -> None:
    template = asked(google())["template"]
    managed, step = template["placement"]["managed_cluster"], template["jobs"][0]
    assert names.is_ours(managed["labels"], OWN)
    assert names.is_ours(step["labels"], OWN)
    assert names.number_of(managed["labels"], names.EXECUTION) == names.number_of(step["labels"], names.EXECUTION) == 2
    assert names.moment_of(managed["labels"][names.EXPIRES]) == NOW + google().lifetime
    assert len(managed["labels"]) <= 32 - 8 + len(google().cluster.labels)


def test_the_key_of_the_cluster_keeps_the_workflows_arguments_too() -> None:
    assert asked(google())["template"]["encryption_config"] == {"kms_key": google().cluster.kms_key}


@pytest.mark.parametrize("task", ["t", "a-task-with-quite-a-long-name-that-goes-on-and-on"])
def test_googles_prefix_keeps_the_runs_hash(task: str) -> None:
    base = names.base_name(RunIdentity(instance="i", dag_id="d", task_id=task, run_id="r"))
    prefix = names.managed_prefix(base)
    assert 2 <= len(prefix) <= 35
    assert prefix.endswith(base[-20:])
    assert names.is_managed(base, f"{prefix}-abcdefghijklm")
    assert not names.is_managed(base, base)
    assert not names.is_managed(base, f"{base}-g2")


@pytest.mark.parametrize("run", ["9m", "25h"])
def test_a_workflow_that_cannot_wait_as_long_is_refused(run: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_workflow(google(deadlines={"run": run}))
    assert caught.value.code == "WORKFLOW_TIMEOUT"


def test_what_is_not_written_is_not_refused() -> None:
    assert workflow_faults(google()) == []
    assert workflow_faults(google(attempts=1, keep_failed_for=None)) == []


@pytest.mark.parametrize(
    ("part", "option", "value"),
    [
        ("cluster", "zones", ["europe-west1-b", "europe-west1-c"]),
        ("cluster", "idle_delete_ttl", "10m"),
        ("cluster", "auto_delete_ttl", "4h"),
        ("policy", "attempts", 3),
        ("policy", "keep_failed_for", "30m"),
        ("policy", "quota_backoff", "1m"),
    ],
)
def test_what_a_workflow_cannot_do_is_refused(part: str, option: str, value: Any) -> None:
    whole = document()
    whole["cluster"]["zones"] = []
    whole[part][option] = value
    with pytest.raises(SpecError) as caught:
        check_workflow(DaskRun.model_validate(whole))
    assert caught.value.code == "WORKFLOW_REFUSES"
    assert [fault["path"] for fault in caught.value.details["faults"]] == [f"{part}.{option}"]


def test_a_workflow_without_a_job_is_refused() -> None:
    with pytest.raises(SpecError, match="no job"):
        asked(DaskRun.model_validate(document() | {"job": None}))


def test_googles_own_message_takes_the_workflow() -> None:
    dataproc = pytest.importorskip("google.cloud.dataproc_v1", reason="pip install 'airflow-dataops[gcp]'")
    message = dataproc.InstantiateInlineWorkflowTemplateRequest(asked(sample()))
    assert message.template.jobs[0].pyspark_job.main_python_file_uri == "gs://code-bucket/bootstrap.py"
