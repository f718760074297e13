# SPDX-License-Identifier: Apache-2.0
"""The preflight's task before a job in whole DAG runs: a token by the connection's federated identity, questions over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator, DataprocDaskPreflightOperator
from tests.integration.dataproc_dask.setting import Setting
from tests.services.rest import RestServer

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

RunDag = Callable[..., Any]
WHEN = datetime(2024, 1, 2, tzinfo=UTC)


class Google(RestServer):
    """Has all that a run needs, and says so, but for the subnetwork's way to Google's services, which ``reaches`` decides."""

    reaches = True

    def answer(self, path: str) -> tuple[int, Any]:
        path = unquote(urlsplit(path).path)
        if "/subnetworks/" in path:
            return 200, {"privateIpGoogleAccess": self.reaches, "network": "x/vpc"}
        if path.endswith("/iam/testPermissions"):
            return 200, {"permissions": [f"storage.objects.{verb}" for verb in ("create", "get", "list", "delete")]}
        return 403, {"error": {"message": "not yours"}}


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    from airflow_dataops.clients.dataproc_dask import preflight

    made = Google()
    monkeypatch.setattr(preflight, "HOSTS", dict.fromkeys(preflight.HOSTS, made.url))
    yield made
    made.close()


def chained(name: str, setting: Setting) -> Any:
    from airflow.providers.common.compat.sdk import DAG

    given = setting.arguments()
    asked = {key: given[key] for key in ("cluster", "job", "policy")}
    with DAG(name, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False) as dag:
        look = DataprocDaskPreflightOperator(task_id="preflight", retries=2, **asked)
        look >> DataprocDaskJobOperator(task_id="delays", **given)
    return dag


def test_where_nothing_is_missing_the_job_follows(run_dag: RunDag, setting: Setting, google: Google) -> None:
    run = run_dag(chained("preflight_well", setting), WHEN)
    assert run.state == "success"
    report = run.get_task_instance("preflight").xcom_pull(task_ids="preflight")
    assert report["levels"]["ok"] >= 3
    assert "problem" not in report["levels"]
    assert report["levels"]["unknown"] > 0
    [token] = {token for _, _, token in google.seen}
    assert str(token).startswith("Bearer ")
    assert len(setting.dataproc.calls("SubmitJob")) == 1


def test_where_something_is_missing_no_cluster_is_asked_for(run_dag: RunDag, setting: Setting, google: Google) -> None:
    google.reaches = False
    run = run_dag(chained("preflight_bad", setting), WHEN)
    assert run.state == "failed"
    look = run.get_task_instance("preflight")
    assert (look.state, look.try_number) == ("failed", 1)
    assert run.get_task_instance("delays").state == "upstream_failed"
    [problem] = [one for one in look.xcom_pull(task_ids="preflight")["findings"] if one["level"] == "problem"]
    assert problem["check"] == "subnet.private_google_access"
    assert "--enable-private-ip-google-access" in problem["fix"]
    assert setting.dataproc.calls() == []
