# SPDX-License-Identifier: Apache-2.0
"""From a connection to settings, without a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.airflow


def connect(monkeypatch: pytest.MonkeyPatch, name: str = "google_cloud_default", **extra: Any) -> None:
    connection = {"conn_type": "google_cloud_platform", "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))


def test_equal_hooks_make_equal_settings_so_that_tasks_share_a_token() -> None:
    from airflow_dataops.hooks.dataproc_dask import DataprocDaskHook

    one = DataprocDaskHook("google", "a@x.iam, b@x.iam").settings("p", "r")
    two = DataprocDaskHook("google", ["a@x.iam", "b@x.iam"]).settings("p", "r")
    assert one == two
    assert hash(one.identity) == hash(two.identity)
    assert DataprocDaskHook("other").settings("p", "r") != one


def test_a_connection_may_name_a_private_endpoint_and_accounts_are_not_impersonated_twice() -> None:
    from airflow_dataops.hooks.dataproc_dask import DataprocDaskHook

    found = DataprocDaskHook("google", "a@x.iam", "private:443").settings("p", "r")
    assert found.dataproc == "private:443"
    assert found.impersonation_chain == ()


def test_without_a_connection_the_worker_itself_asks() -> None:
    from airflow_dataops.hooks.dataproc_dask import DataprocDaskHook

    found = DataprocDaskHook(None, "a@x.iam").settings("p", "r")
    assert (found.credentials, found.impersonation_chain) == (None, ("a@x.iam",))


def test_a_federated_identity_needs_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("airflow.providers.google")
    from airflow_dataops.hooks.dataproc_dask import DataprocDaskHook

    document = tmp_path / "federated.json"
    source = {"file": str(tmp_path / "token")}
    document.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/locations/global/workforcePools/a/providers/b",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": "https://sts.googleapis.com/v1/token",
                "credential_source": source,
            }
        )
    )
    connect(monkeypatch, credential_config_file=str(document))
    credentials = DataprocDaskHook().settings("p", "r").credentials
    assert credentials is not None
    made = credentials()
    assert type(made).__module__ == "google.auth.identity_pool"


def test_an_unknown_connection_is_an_error_and_only_the_default_one_may_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("airflow.providers.google")
    import google.auth
    from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

    from airflow_dataops.hooks import dataproc_dask

    def missing(name: str) -> Any:
        raise AirflowNotFoundException(name)

    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(missing))
    default = object()
    monkeypatch.setattr(google.auth, "default", lambda **_: (default, "p"))
    with pytest.raises(AirflowNotFoundException):
        dataproc_dask.ConnectionCredentials("mine")()
    assert dataproc_dask.ConnectionCredentials("google_cloud_default")() is default
