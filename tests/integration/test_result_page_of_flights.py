# SPDX-License-Identifier: Apache-2.0
"""The real flaws of the real flights stand on the page and in the quarantine, exactly counted."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"
LEFTOVERS = shutil.ignore_patterns("__pycache__", ".dataops", "silver", "quarantine")
RUN = ".dataops/runs/flights/2013-12-31T000000"
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake after one run of the example."""
    project = tmp_path_factory.mktemp("flights") / "project"
    shutil.copytree(EXAMPLES, project, ignore=LEFTOVERS)
    command = [sys.executable, "-m", "dag_factories", "run", "flights.yaml", "--date", "2013-12-31"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return project / "lake"


@pytest.fixture(scope="module")
def page(lake: Path) -> str:
    """Words of the page."""
    words = re.sub(
        r"<style>.*?</style>|<[^>]+>", " ", (lake / RUN / "report.html").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return re.sub(r"\s+", " ", html.unescape(words))


def one(query: str) -> Any:
    return duckdb.connect().execute(query).fetchall()[0][0]


@pytest.mark.parametrize(
    ("rule", "figures"),
    [
        ("not_null(dep_time)", "8,255 of 336,776 97.55 %"),
        ("not_null(tailnum)", "2,512 of 336,776 99.25 %"),
        ("not_null(arr_time)", "8,713 of 336,776 97.41 %"),
        ("not_null(air_time)", "9,430 of 336,776 97.20 %"),
        ("regex(tailnum)", "375 of 334,264 99.89 %"),
    ],
)
def test_a_flaw_is_on_the_page_exactly_counted(page: str, rule: str, figures: str) -> None:
    row = page[page.index("Rules gate_bronze") :]
    assert figures in row[row.index(rule) : row.index(rule) + 250]


def test_every_row_is_accounted_for(lake: Path, page: str) -> None:
    rows = json.loads((lake / RUN / "result.json").read_text(encoding="utf-8"))["rows"]
    assert rows["read"] == 336_776
    assert rows["read"] == rows["quarantined"] + sum(rows["dropped"].values()) + rows["deduplicated"] + rows["written"]
    assert "not accounted for" not in page


def test_the_page_says_what_lies_in_the_lake(lake: Path, page: str) -> None:
    aside = one(f"select count(*) from '{lake}/quarantine/flights/**/*.parquet'")
    published = one(f"select count(*) from '{lake}/silver/flights/**/*.parquet'")
    assert (aside, published) == (8_255, 328_063)
    assert f"{published:,} rows were published; {aside:,} bad rows were put aside" in page


def test_no_tail_number_is_on_the_page_in_the_clear(lake: Path) -> None:
    text = (lake / RUN / "report.html").read_text(encoding="utf-8")
    bronze = f"select distinct tailnum from '{lake}/bronze/flights/**/*.parquet' where tailnum is not null"
    numbers = {row[0] for row in duckdb.connect().execute(bronze).fetchall()}
    assert numbers & set(re.findall(r"[0-9A-Z]{4,6}", text)) == set()
