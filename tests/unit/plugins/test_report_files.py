# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.core.layout import RunLayout
from airflow_dataops.links.pages import lake_id
from airflow_dataops.plugins.report_files import find_page

pytestmark = pytest.mark.airflow


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lake = tmp_path / "lake"
    monkeypatch.setenv("DATAOPS_LAKES", str(lake))
    for folder in (lake / ".dataops/runs/flights/one", lake / "secret/one", tmp_path / "other/one"):
        folder.mkdir(parents=True)
        (folder / "report.html").write_text("page")
    return lake


def test_a_page_is_found(lake: Path) -> None:
    assert find_page(lake_id(str(lake)), "flights", "one") == Path(RunLayout(str(lake), "flights", "one").page)


@pytest.mark.parametrize(
    ("pipeline", "key"),
    [
        ("..", "one"),
        ("flights", ".."),
        ("flights", "."),
        ("", "one"),
        ("../../secret", "one"),
        ("a\\b", "one"),
        ("a\0", "one"),
    ],
)
def test_a_way_out_is_no_name(lake: Path, pipeline: str, key: str) -> None:
    assert find_page(lake_id(str(lake)), pipeline, key) is None


def test_a_link_out_of_the_runs_is_not_followed(lake: Path, tmp_path: Path) -> None:
    runs = lake / ".dataops/runs"
    (runs / "outside").symlink_to(tmp_path / "other")
    (runs / "flights/linked").mkdir()
    (runs / "flights/linked/report.html").symlink_to(lake / "secret/one/report.html")
    assert find_page(lake_id(str(lake)), "outside", "one") is None
    assert find_page(lake_id(str(lake)), "flights", "linked") is None


def test_a_lake_may_itself_be_a_link(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "link"
    link.symlink_to(lake)
    monkeypatch.setenv("DATAOPS_LAKES", str(link))
    assert find_page(lake_id(str(link)), "flights", "one") is not None


def test_an_unknown_lake_has_no_pages(lake: Path) -> None:
    assert find_page("0" * 12, "flights", "one") is None
