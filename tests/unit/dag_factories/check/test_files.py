# SPDX-License-Identifier: Apache-2.0
"""Whole folders: what is a pipeline, names that two files share, and that nothing is ever executed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dag_factories.check.files import check_files
from dag_factories.discover import find_pipelines
from tests.unit.dag_factories.check.broken import GOOD, MEANING, SCHEMA

Make = Callable[..., Path]


def test_a_folder_is_checked_with_its_project_and_below(make_project: Make, tmp_path: Path) -> None:
    make_project()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/returns.yml").write_text(
        GOOD.replace("name: orders", "name: return").replace("silver/orders", "silver/returns"), encoding="utf-8"
    )
    report = check_files([tmp_path])
    assert report.files == 3
    assert [(f.file, f.code) for f in report.findings] == [("sub/returns.yml", "NAME_NOT_FILE")]


def test_two_files_of_one_name_are_both_named(make_project: Make, tmp_path: Path) -> None:
    make_project()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/orders.yaml").write_text(GOOD, encoding="utf-8")
    findings = check_files([tmp_path]).findings
    assert [(f.file, f.code, f.line) for f in findings] == [
        ("orders.yaml", "DUPLICATE_NAME", 3),
        ("sub/orders.yaml", "DUPLICATE_NAME", 3),
    ]
    assert all("orders.yaml and" in f.message and "sub/orders.yaml" in f.message for f in findings)


def test_a_single_file_is_compared_with_the_others_of_its_project(make_project: Make, tmp_path: Path) -> None:
    path = make_project()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/orders.yml").write_text(GOOD, encoding="utf-8")
    assert [f.code for f in check_files([path]).findings] == ["DUPLICATE_NAME"]


def test_a_finding_of_the_project_is_told_once(make_project: Make, tmp_path: Path) -> None:
    make_project(
        project="version: 1\nmask: {}\n", pipeline=GOOD.replace("{tags: [email]}", "{}").replace("critical: pager", "")
    )
    (tmp_path / "returns.yaml").write_text(
        (tmp_path / "orders.yaml").read_text().replace("name: orders", "name: returns").replace("silver/o", "silver/r")
    )
    assert [(f.file, f.code) for f in check_files([tmp_path]).findings] == [("dataops.yaml", "UNKNOWN_KEY")]


def test_two_pipelines_that_delete_one_anothers_rows_are_told(make_project: Make, tmp_path: Path) -> None:
    make_project()
    other = GOOD.replace("name: orders", "name: returns")
    (tmp_path / "returns.yaml").write_text(other, encoding="utf-8")
    found = [(f.file, f.code, f.severity) for f in check_files([tmp_path]).findings]
    assert found == [(name, "TARGET_SHARED", "warning") for name in ("orders.yaml", "returns.yaml")]
    (tmp_path / "returns.yaml").write_text(other.replace("silver/orders", "silver/returns"), encoding="utf-8")
    assert not check_files([tmp_path]).findings


def test_what_is_a_pipeline(tmp_path: Path) -> None:
    for name in (
        "b.yaml",
        "a.yml",
        "broken.yaml",
        "sub/c.yaml",
        ".hidden/d.yaml",
        "lake/bronze/e.yaml",
        "dataops.yaml",
        "x.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{", encoding="utf-8")
    (tmp_path / "pod.yaml").write_text("kind: Pod\napiVersion: v1\n", encoding="utf-8")
    assert [path.relative_to(tmp_path).as_posix() for path in find_pipelines(tmp_path)] == [
        "a.yml",
        "b.yaml",
        "broken.yaml",
        "sub/c.yaml",
    ]


def test_the_target_that_was_asked_for_is_the_one_that_is_checked(make_project: Make) -> None:
    path = make_project(
        project="""\
version: 1
targets: {local: {lake: ./lake}, onprem: {engine: spark, runner: spark_k8s, lake: "s3://lake"}}
masks: {email: sha256}
alerts: {pager: {notifier: log}}
"""
    )
    assert check_files([path]).findings == []
    assert [f.code for f in check_files([path], target="onprem").findings] == ["SPARK_TARGET_MISSING"]


WATCHED = """
import sys
watched = []
def hook(event, arguments):
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "compile", "exec"):
        if event in ("compile", "exec") and not str(getattr(arguments[0], "co_filename", arguments[-1])).startswith("<unknown"):
            return
        watched.append((event, str(arguments)[:200]))
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        watched.append((event, str(arguments)[:200]))
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("airflow", "hostile"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
sys.dont_write_bytecode = True
import sqlglot, pyarrow.parquet, croniter
from pathlib import Path
from dag_factories.check.files import check_files
sys.addaudithook(hook)
check_files([Path(".")])
print(watched)
"""


def test_a_check_executes_nothing_writes_nothing_and_needs_no_airflow(make_project: Make, tmp_path: Path) -> None:
    make_project()
    hostile = [case for case in SCHEMA + MEANING if case.old in GOOD][:40]
    for number, case in enumerate(hostile):
        (tmp_path / f"p{number}.yaml").write_text(GOOD.replace(case.old, str(case.new), 1), encoding="utf-8")
    for number, text in enumerate(
        ["!!python/object/apply:os.system ['touch owned']", "__import__('os').system('touch owned')", "${env:X}"]
    ):
        (tmp_path / f"h{number}.yaml").write_text(
            GOOD.replace("amount > 0", text).replace('["!!', "[!!"), encoding="utf-8"
        )
    done = subprocess.run([sys.executable, "-c", WATCHED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\n",
        "kind: [1]\n",
        "kind: {a: b}\nversion: x\n",
        "kind: null\n",
        "source: 1\ntarget: 2\nkind: bronze_to_silver\n",
    ],
)
def test_half_a_file_does_not_stop_the_check(text: str, make_project: Make) -> None:
    assert check_files([make_project(text)]).findings
