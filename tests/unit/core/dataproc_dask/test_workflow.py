# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.workflow import workflow_request
from airflow_dataops.core.errors import SpecError
from tests.unit.core.dataproc_dask.samples import IDENTITY, document, sample

BASE, OWN = names.base_name(IDENTITY), names.run_labels(IDENTITY)


def asked(run: DaskRun) -> dict[str, Any]:
    return workflow_request(run, base=BASE, labels=OWN)


def test_google_owns_the_cluster_and_its_end() -> None:
    template = asked(sample())["template"]
    managed = template["placement"]["managed_cluster"]
    assert len(managed["cluster_name"]) <= 35
    assert names.is_ours(managed["labels"], OWN)
    assert "lifecycle_config" not in managed["config"]
    assert template["dag_timeout"] == {"seconds": 7200}
    assert [step["step_id"] for step in template["jobs"]] == ["job-job"]


@pytest.mark.parametrize("run", ["9m", "25h"])
def test_a_workflow_that_cannot_wait_as_long_is_refused(run: str) -> None:
    with pytest.raises(SpecError) as caught:
        asked(sample(deadlines={"run": run}))
    assert caught.value.code == "WORKFLOW_TIMEOUT"


def test_a_workflow_without_a_job_is_refused() -> None:
    with pytest.raises(SpecError, match="no job"):
        asked(DaskRun.model_validate(document() | {"job": None}))


def test_googles_own_message_takes_the_workflow() -> None:
    dataproc = pytest.importorskip("google.cloud.dataproc_v1", reason="pip install 'airflow-dataops[gcp]'")
    message = dataproc.InstantiateInlineWorkflowTemplateRequest(asked(sample()))
    assert message.template.jobs[0].pyspark_job.main_python_file_uri == "gs://code-bucket/bootstrap.py"
