# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_dataops.core.layout import RunLayout
from airflow_dataops.links.pages import known_lakes, lake_id, page_url, remember_lake

LOCAL = RunLayout("/data/lake", "flights", "2024-01-01T000000")


@pytest.mark.parametrize(
    ("lake", "base", "airflow", "url"),
    [
        ("/data/lake", "https://w/x/", None, "https://w/x/.dataops/runs/flights/2024-01-01T000000/report.html"),
        ("s3://b/lake", "https://w", "http://a", "https://w/.dataops/runs/flights/2024-01-01T000000/report.html"),
        (
            "s3a://b/lake",
            None,
            "http://a",
            "https://s3.console.aws.amazon.com/s3/object/b?prefix=lake%2F.dataops%2Fruns%2Fflights%2F2024-01-01T000000%2Freport.html",
        ),
        (
            "gs://b/lake",
            None,
            None,
            "https://storage.cloud.google.com/b/lake/.dataops/runs/flights/2024-01-01T000000/report.html",
        ),
        (
            "/data/lake",
            None,
            "http://a/base/",
            f"http://a/base/dataops/{lake_id('/data/lake')}/flights/2024-01-01T000000",
        ),
        ("file:///data/lake", None, None, f"/dataops/{lake_id('/data/lake')}/flights/2024-01-01T000000"),
    ],
)
def test_the_address_is_one_that_a_browser_opens(lake: str, base: str | None, airflow: str | None, url: str) -> None:
    assert page_url(RunLayout(lake, "flights", "2024-01-01T000000"), base, airflow) == url


def test_a_local_lakes_address_tells_nothing_about_the_folder() -> None:
    assert "data" not in page_url(LOCAL, None, None).removeprefix("/dataops")


def test_a_lake_that_was_worked_on_is_known_from_then_on(tmp_path: Path) -> None:
    assert known_lakes(str(tmp_path), None) == {}
    for _ in range(2):
        remember_lake(str(tmp_path), "file:///data/lake/")
    assert known_lakes(str(tmp_path), None) == {lake_id("/data/lake"): "/data/lake"}


def test_configured_lakes_are_known(tmp_path: Path) -> None:
    configured = os.pathsep.join(["/one", "", "/two/"])
    assert set(known_lakes(str(tmp_path), configured).values()) == {"/one", "/two"}


def test_a_lake_in_an_object_store_is_not_remembered(tmp_path: Path) -> None:
    remember_lake(str(tmp_path), "s3://bucket/lake")
    assert list(tmp_path.iterdir()) == []
