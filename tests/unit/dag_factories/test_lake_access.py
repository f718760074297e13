# SPDX-License-Identifier: Apache-2.0
"""What a lake's connection changes in the environment of a command."""

from __future__ import annotations

import json
import os

import pytest

from airflow_dataops.jobs.secrets import lookup
from dag_factories import lake_access
from dag_factories.project import TargetConfig


def test_it_takes_the_place_of_the_settings_of_s3_and_of_no_other_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_access, "_entered", {})
    for name in ("S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_REGION", "S3_PATH_STYLE"):
        monkeypatch.setenv(name, "old")
    monkeypatch.setenv("S3_BUCKET", "data-lake")
    extra = {"endpoint_url": "https://s3.example.com"}
    fields = {"conn_type": "aws", "login": "id", "password": "pw", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(fields))
    config = TargetConfig.model_validate({"lake": "s3://${env:S3_BUCKET}/lake", "aws_conn_id": "lake"})
    lake_access.enter(config, lookup)
    found = {name: value for name, value in os.environ.items() if name.startswith("S3_")}
    assert found == {
        "S3_BUCKET": "data-lake",  # it may stand in a lake's address
        "S3_ENDPOINT_URL": "https://s3.example.com",
        "S3_ACCESS_KEY_ID": "id",
        "S3_SECRET_ACCESS_KEY": "pw",
    }
