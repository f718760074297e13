# SPDX-License-Identifier: Apache-2.0
"""Limits on the command line: what is taken, and what is said about the rest."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from dag_factories.cli import USAGE, main
from dag_factories.cli.run import add_arguments


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["orders.yaml", *arguments])


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("64MB", 2**26),
        ("64 MiB", 2**26),
        ("67108864", 2**26),
        ("67108864B", 2**26),
        ("1.5g", 3 * 2**29),
        ("4GiB", 2**32),
        ("2tb", 2**41),
    ],
)
def test_sizes(text: str, amount: int) -> None:
    assert parsed("--memory", text).memory == amount


@pytest.mark.parametrize("text", ["", "4", "63MB", "-4GB", "4 XB", "GB", "4GB or so", "1e9", "0", "inf", "4.5.6GB"])
def test_what_is_no_size(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "orders.yaml", f"--memory={text}"]) == USAGE
    said = capsys.readouterr().err
    assert "write it as 512MB or 4GiB" in said or "needs 64MB or more" in said


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "two", "²"])
def test_what_is_no_number_of_threads(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "orders.yaml", f"--threads={text}"]) == USAGE
    assert "write a whole number from 1 on" in capsys.readouterr().err


def test_a_folder_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    assert parsed("--spill-dir", "scratch").spill_dir == f"{tmp_path}/scratch"
    assert parsed("--spill-dir", "~/scratch").spill_dir == "/home/ada/scratch"


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["run", "orders.yaml", "--spill-dir", f"{tmp_path}/file"]) == USAGE
    assert "is a file" in capsys.readouterr().err


@pytest.mark.parametrize("given", [("--threads", "2"), ("--memory", "1GB"), ("--spill-dir", "spill")])
def test_a_run_in_airflow_has_its_limits_in_the_pipeline(given: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "orders.yaml", "--airflow", *given]) == USAGE
    assert "write them as `resources` into the pipeline" in capsys.readouterr().err


def test_help_says_what_the_default_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "all cores of the cgroup or machine" in said
    assert "most of what is free of the cgroup or machine" in said
