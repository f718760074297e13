# SPDX-License-Identifier: Apache-2.0
"""The command line: exit statuses, help that teaches, one line for what goes wrong, and no Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from dag_factories.cli import COMMANDS, main
from dag_factories.schema import names

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "airflow":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
from dag_factories.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATAOPS_TARGET", raising=False)
    assert main(["new", "bronze_to_silver", "orders"]) == 0
    capsys.readouterr()
    return tmp_path


def spoil(folder: Path, old: str, new: str) -> None:
    path = folder / "orders.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name}" in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_by_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"  dataops {name}" in shown
    assert import_module(f"dag_factories.cli.{name.replace('-', '_')}").EXAMPLES.strip() in shown


def test_without_a_command_the_help_is_shown_and_the_usage_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: dataops" in capsys.readouterr().out


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chek"]) == 2
    assert "did you mean 'check'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["check"], ["check", ".", "--format", "xml"], ["check", "nope.yaml"], ["new"], ["check", ".", "--no"]]
)
def test_wrong_usage_is_2(arguments: list[str], folder: Path) -> None:
    assert main(arguments) == 2


def test_a_clean_check_is_0_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "."]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "2 files checked: all well\n")


def test_findings_are_1_with_a_snippet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(folder, "keep: last", "keep: lst")
    assert main(["check", "orders.yaml"]) == 1
    shown = capsys.readouterr()
    assert "orders.yaml:20:29: error: BAD_VALUE" in shown.out
    assert "did you mean 'last'?" in shown.out
    assert shown.err == "\n1 file checked: 1 error\n"


def test_a_warning_alone_is_a_finding_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(folder, "full: true ", "window: {column: ordered_at} ")
    spoil(folder, 'schedule: "@daily"', "schedule: null")
    assert main(["check", "orders.yaml", "--format", "json"]) == 1
    assert [finding["severity"] for finding in json.loads(capsys.readouterr().out)] == ["warning"]


def test_sarif_and_json_stand_alone_on_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", ".", "--format", "sarif"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []
    assert main(["check", ".", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_unknown_target_is_wrong_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", ".", "--target", "locl"]) == 2
    assert "did you mean 'local'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", names())
def test_a_schema_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", name]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].endswith("2020-12/schema")


def test_schemas_are_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--write"]) == 0
    assert "# yaml-language-server: $schema=.dataops/schema/bronze_to_silver.json" in capsys.readouterr().out
    assert json.loads((folder / ".dataops/schema/project.json").read_text(encoding="utf-8"))["title"] == "dataops.yaml"


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        ("bronze_to_silver", "  source: keys and values  (required)"),
        ("bronze_to_silver.clean.dedup.keep", "first | last"),
        ("bronze_to_silver.schema", "new_column: ignore | add | fail"),
        ("bronze_to_silver.tasks.refine.pool", "Pool whose slots the task takes."),
        ("bronze_to_silver.source.path", "references: ${lake}, ${run.…}, ${env:…}, ${var:…}, ${conn:…}"),
        ("project.targets.local.engine", "duckdb | spark | dask"),
    ],
)
def test_a_key_is_explained(what: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", what]) == 0
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("what", ["bronze_to_slver", "bronze_to_silver.clen", "bronze_to_silver.clean.dedup.kep"])
def test_an_unknown_key_is_wrong_usage(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", what]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_a_file_is_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "orders.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "orders (bronze_to_silver) on target local" in shown
    assert "gate_bronze" in shown
    assert "retries=3" in shown


def test_a_secret_is_explained_by_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALT", "hunter2")
    spoil(folder, "email: {tags: [email]}", 'email: {mask: {kind: sha256, salt: "${env:SALT}"}}')
    assert main(["explain", "orders.yaml"]) == 0
    assert main(["explain", "orders.yaml", "--sql"]) == 0
    shown = capsys.readouterr().out
    assert "${env:SALT}" in shown
    assert "hunter2" not in shown


def test_a_broken_file_is_not_explained_but_its_findings_are_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(folder, "keep: last", "keep: lst")
    assert main(["explain", "orders.yaml"]) == 1
    assert "orders.yaml:20:29" in capsys.readouterr().err


def test_the_sql_of_a_file_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "orders.yaml", "--sql"]) == 0
    shown = capsys.readouterr().out
    assert "-- gate_bronze (duckdb)\nSELECT" in shown
    assert "> 100000" in shown


def test_the_sql_of_a_file_is_that_of_its_targets_engine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = folder / "dataops.yaml"
    cluster = "{engine: spark, runner: spark_standalone, lake: ./lake, spark: {master: 'spark://m:7077'}}"
    text = project.read_text(encoding="utf-8")
    project.write_text(text.replace("targets:\n", f"targets:\n  cluster: {cluster}\n"), encoding="utf-8")
    assert main(["explain", "orders.yaml", "--sql", "--target", "cluster"]) == 0
    shown = capsys.readouterr().out
    assert "-- gate_bronze (spark)\nSELECT" in shown
    assert "-- refine (spark)\n" in shown
    assert ("`" in shown, '"' in shown) == (True, False)  # DuckDB quotes names as no Spark does
    assert "dataops_ranked" in shown
    assert "dataops_losers" not in shown


def test_sql_of_a_kind_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "bronze_to_silver", "--sql"]) == 2


def test_stubs_are_written_and_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stubs", ".", "--check"]) == 0
    (folder / "orders.py").unlink()
    assert main(["stubs", ".", "--check"]) == 1
    assert "orders.yaml has no stub" in capsys.readouterr().err
    assert not (folder / "orders.py").exists()
    assert main(["stubs"]) == 0
    (folder / "orders.py").write_text("mine = 1\n", encoding="utf-8")
    assert main(["stubs", "."]) == 1
    assert (folder / "orders.py").read_text(encoding="utf-8") == "mine = 1\n"


def test_a_second_pipeline_of_the_name_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "bronze_to_silver", "orders"]) == 1
    assert "FILE_EXISTS" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line_and_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: Any, **more: Any) -> None:
        raise KeyError("whoops")

    monkeypatch.setattr("dag_factories.schema.schema_of_any", broken)
    assert main(["schema"]) == 3
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert "--debug" in shown
    with pytest.raises(KeyError):
        main(["schema", "--debug"])


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (SpecError("no", hint="yes"), 1)])
def test_how_a_command_ends(error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*arguments: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr("dag_factories.schema.schema_of_any", ends)
    assert main(["schema"]) == status


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m dag_factories schema | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.fixture
def without_airflow(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", BLOCK, *arguments], capture_output=True, text=True, check=False, cwd=folder
        )

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "."],
        ["schema"],
        ["explain", "bronze_to_silver"],
        ["explain", "orders.yaml", "--sql"],
        ["stubs"],
        ["version", "--all"],
        ["new", "bronze_to_silver", "returns"],
    ],
    ids=" ".join,
)
def test_a_command_works_without_airflow(arguments: list[str], without_airflow: Any) -> None:
    done = without_airflow(*arguments)
    assert done.returncode == 0, done.stderr


def test_the_module_is_the_command(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dag_factories", "version"], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("dataops ")


def test_a_check_of_a_plain_file_loads_nothing_that_it_does_not_need(folder: Path) -> None:
    code = "import sys; from dag_factories.cli import main; main(['check', 'plain.yaml', '--no-data']); print(sorted(sys.modules))"
    text = "version: 1\nkind: bronze_to_silver\nname: plain\nsource: {path: data}\ntarget: {path: out}\nfull: true\n"
    (folder / "plain.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder)
    loaded = set(eval(done.stdout.splitlines()[-1]))
    assert loaded & {"sqlglot", "duckdb", "pyarrow", "airflow", "yaml", "croniter", "jinja2", "importlib.metadata"} <= {
        "importlib.metadata"
    }
    assert "dag_factories.cli.run" not in loaded
