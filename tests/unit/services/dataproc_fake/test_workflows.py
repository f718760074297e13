# SPDX-License-Identifier: Apache-2.0
"""An inline workflow template, with a cluster that Google manages."""

from __future__ import annotations

import pytest

from tests.unit.services.google import Google

exceptions = pytest.importorskip("google.api_core.exceptions")


def template(google: Google, **codes: str) -> dict[str, object]:
    jobs, before = [], []
    for step, code in codes.items():
        uri = f"gs://{google.project.bucket}/code/{step}.py"
        google.objects.write(uri, code.encode())
        jobs.append(
            {"step_id": step, "prerequisite_step_ids": list(before), "pyspark_job": {"main_python_file_uri": uri}}
        )
        before = [step]
    managed = {"cluster_name": "wf", "config": {"config_bucket": google.project.bucket}}
    return {"jobs": jobs, "placement": {"managed_cluster": managed}}


def begin(google: Google, whole: dict[str, object], request_id: str = "") -> object:
    parent = f"projects/{google.project.id}/regions/{google.project.region}"
    request = {"parent": parent, "template": whole, "request_id": request_id}
    return google.workflows.instantiate_inline_workflow_template(request=request, retry=None)


def test_the_cluster_is_made_jobs_run_in_order_and_it_is_gone(google: Google) -> None:
    operation = begin(google, template(google, first="print(1)", second="print(2)"), "same")
    again = begin(google, template(google, first="print(1)", second="print(2)"), "same")
    operation.result(timeout=120)
    assert again.operation.name == operation.operation.name
    metadata = operation.metadata
    assert metadata.state.name == "DONE"
    assert [node.state.name for node in metadata.graph.nodes] == ["COMPLETED", "COMPLETED"]
    ended = [google.job(node.job_id).status.state_start_time for node in metadata.graph.nodes]
    assert ended == sorted(ended)
    (billed,) = google.project.bill()["clusters"]
    assert billed["gone"] is not None
    assert billed["name"].startswith("wf-")


def test_a_job_that_fails_ends_the_workflow_and_the_cluster(google: Google) -> None:
    operation = begin(google, template(google, first="raise SystemExit(1)", second="print(2)"))
    with pytest.raises(exceptions.Aborted, match="first"):
        operation.result(timeout=120)
    assert [node.state.name for node in operation.metadata.graph.nodes] == ["FAILED", "BLOCKED"]
    assert google.project.billing() == []


def test_a_cluster_that_cannot_be_made_ends_the_workflow(google: Google) -> None:
    google.project.arm("create_stockout", method="InstantiateInlineWorkflowTemplate")
    operation = begin(google, template(google, first="print(1)"))
    with pytest.raises(exceptions.GoogleAPICallError, match="ZONE_RESOURCE_POOL"):
        operation.result(timeout=120)
    assert google.project.billing() == []


def test_a_workflow_that_is_cancelled_takes_its_cluster_and_job_along(google: Google) -> None:
    operation = begin(google, template(google, first="import time; time.sleep(60)"))
    google.project.wait(lambda: google.project.fake.ask("jobs", project=google.project.id))
    operation.cancel()
    with pytest.raises(exceptions.Cancelled):
        operation.result(timeout=120)
    assert google.project.billing() == []
    (job,) = google.project.fake.ask("jobs", project=google.project.id)
    assert job["state"] == "CANCELLED"


def test_a_request_id_is_known_again_only_while_its_workflow_goes_on(google: Google) -> None:
    first = begin(google, template(google, first="print(1)"), "same")
    first.result(timeout=120)
    second = begin(google, template(google, first="print(1)"), "same")
    second.result(timeout=120)
    assert first.operation.name != second.operation.name


def test_the_time_of_all_jobs_is_bounded(google: Google) -> None:
    google.project.configure(speed=600, create=1, delete=1)
    whole = template(google, first="import time; time.sleep(60)") | {"dag_timeout": {"seconds": 600}}
    operation = begin(google, whole)
    with pytest.raises(exceptions.DeadlineExceeded):
        operation.result(timeout=120)
    (job,) = google.project.fake.ask("jobs", project=google.project.id)
    assert job["state"] == "CANCELLED"
    assert google.project.billing() == []


def test_templates_that_make_no_sense_are_refused(google: Google) -> None:
    whole = template(google, first="print(1)")
    for wrong in ({"jobs": []}, {"jobs": [{"step_id": "abc", "prerequisite_step_ids": ["def"]}]}):
        with pytest.raises(exceptions.InvalidArgument):
            begin(google, whole | wrong)
    assert google.project.bill()["clusters"] == []
