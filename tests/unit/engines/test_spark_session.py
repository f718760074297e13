# SPDX-License-Identifier: Apache-2.0
"""Settings of S3 for a Spark on this machine, from the environment."""

from __future__ import annotations

import os

import pytest

from airflow_dataops.engines.spark_session import _s3


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("S3_", "AWS_"))]:
        monkeypatch.delenv(name)


def test_the_endpoint_is_a_setting_and_keys_are_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"ENDPOINT_URL": "https://s3.example.com", "ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "not-to-be-seen"}
    for name, value in given.items():
        monkeypatch.setenv(f"S3_{name}", value)
    conf, environ = _s3("3.5.7")
    assert conf["spark.hadoop.fs.s3a.endpoint"] == "https://s3.example.com"
    assert environ["AWS_SECRET_ACCESS_KEY"] == "not-to-be-seen"
    assert "not-to-be-seen" not in str(conf)
