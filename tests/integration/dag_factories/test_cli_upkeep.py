# SPDX-License-Identifier: Apache-2.0
"""`dataops quarantine` and `dataops maintain` on what real runs left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dag_factories.cli import main

pytestmark = [pytest.mark.integration]

KEY = "2024-01-05T000000"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Path]:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATAOPS_TARGET", raising=False)
    assert main(["new", "bronze_to_silver", "orders"]) == 0
    assert main(["run", "orders.yaml", "--date", "2024-01-05", "--quiet"]) == 0
    capsys.readouterr()
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_runs_with_bad_rows_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "list", "--json"]) == 0
    [listed] = lines(capsys)
    assert (listed["pipeline"], listed["run_key"], listed["rows"]) == ("orders", KEY, 2)
    assert listed["rules"] == {"between(amount)": 1, "not_null(id)": 1}


def test_bad_rows_are_shown_masked_with_their_reason(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "show", KEY, "--rule", "not_null(id)", "--json"]) == 0
    [row] = lines(capsys)
    assert row["id"] is None
    assert row["_dataops_rules"] == ["not_null(id)"]
    assert row["email"] != "dan@example.com"


def test_a_replay_replaces_what_the_run_put_aside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "orders.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[amount, 0, 100000]", "[amount, -10, 100000]"), encoding="utf-8")
    assert main(["quarantine", "replay", KEY]) == 0
    capsys.readouterr()
    assert main(["quarantine", "list", "--json"]) == 0
    [listed] = lines(capsys)
    assert (listed["run_key"], listed["rules"]) == (KEY, {"not_null(id)": 1})


def test_forgotten_rows_are_gone_from_everywhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "forget", KEY]) == 0
    assert "2 rows" in capsys.readouterr().out
    assert main(["quarantine", "list"]) == 0
    assert capsys.readouterr().out == ""
    assert list((folder / "lake/silver/orders").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["show", "2024-01-06T000000"], 1, "did you mean '2024-01-05T000000'?"),
        (["show", KEY, "--rule", "not_null(ids)"], 1, "did you mean 'not_null(id)'?"),
        (["show", KEY, "--pipeline", "order"], 1, "did you mean 'orders'?"),
        (["show"], 2, "takes a KEY"),
        (["list", KEY], 2, "takes no KEY"),
    ],
)
def test_what_is_not_there_is_told(
    arguments: list[str], status: int, told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quarantine", *arguments]) == status
    assert told in capsys.readouterr().err


def test_upkeep_of_a_fresh_lake_finds_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maintain", "--dry-run", "--json"]) == 0
    [result] = lines(capsys)
    assert (result["status"], result["actions"]) == ("ok", [])


def test_upkeep_deletes_bad_rows_that_were_kept_long_enough(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "orders.yaml").open("a", encoding="utf-8") as stream:
        stream.write("quarantine: {retention_days: 30}\n")
    assert main(["maintain", "--dry-run"]) == 0
    assert "would delete" in capsys.readouterr().out
    assert list((folder / "lake/quarantine/orders").iterdir())
    assert main(["maintain"]) == 0
    assert not list((folder / "lake/quarantine/orders").glob("run_key=*"))


def test_a_folder_without_pipelines_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["quarantine", "show", KEY]) == 1
    assert "there is no pipeline here" in capsys.readouterr().err
