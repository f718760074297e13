# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from dag_factories.check import files

PIPELINE = """\
version: 1
kind: bronze_to_silver
name: orders
schedule: "@daily"
start_date: 2024-01-01
source: {path: "${lake}/bronze/orders"}
target: {path: "${lake}/silver/orders", format: delta}
"""
DAILY, WHOLE, ALONE = (
    "window: {column: at, size: day}\n",
    "full: true\n",
    "window: {column: at, size: day}\nmax_active_runs: 1\n",
)


@pytest.mark.parametrize(
    ("lake", "setting", "more", "codes"),
    [
        ("s3://lake", "off", DAILY, ["ONE_RUN_AT_A_TIME"]),
        ("s3a://lake/a", "off", DAILY, ["ONE_RUN_AT_A_TIME"]),
        ("s3://lake", "off", WHOLE, []),
        ("s3://lake", "off", ALONE, []),
        ("s3://lake", "on", DAILY, []),
        ("s3://lake", None, DAILY, []),
        ("s3://lake", "perhaps", DAILY, []),
        ("gs://lake", "off", DAILY, []),
        ("./lake", "off", DAILY, []),
    ],
)
def test_runs_at_once_need_a_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lake: str, setting: str | None, more: str, codes: list[str]
) -> None:
    monkeypatch.delenv("S3_CONDITIONAL_WRITES", raising=False)
    if setting is not None:
        monkeypatch.setenv("S3_CONDITIONAL_WRITES", setting)
    (tmp_path / "dataops.yaml").write_text(f"version: 1\ntargets: {{local: {{lake: '{lake}'}}}}\n")
    (tmp_path / "orders.yaml").write_text(PIPELINE + more)
    found = files.check_files([tmp_path / "orders.yaml"]).findings
    assert [(one.code, one.severity) for one in found] == [(code, "warning") for code in codes]
