# SPDX-License-Identifier: Apache-2.0
"""Every code block that can run is run, and every relative link leads somewhere."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dataops.core.dataproc_dask.run import faults_of
from dag_factories.check.files import check_files
from tests.house.blocks import Block, blocks, pages
from tests.house.tree import ROOT

ALL = [block for page in pages() for block in blocks(page)]
CLUSTER = re.compile(r"^cluster = (\{.*?\}$)", re.MULTILINE | re.DOTALL)
# A target, and what its jobs run on.
TARGET = re.compile(
    r"^  (?P<name>\w+):(?: *#.*)?\n(?:    .*\n)*?    runner: (?P<runner>dataproc_dask|spark_\w+)$", re.MULTILINE
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def of(language: str) -> list[Block]:
    return [block for block in ALL if block.language == language and block.why_not is None]


def place(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of example_dags, so that a block may write."""
    return Path(
        shutil.copytree(
            ROOT / "example_dags", tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__", ".dataops")
        )
    )


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """Return a project as `dataops new` makes it."""
    done = dataops(["new", "bronze_to_silver", "sample"], tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.mark.airflow
@pytest.mark.parametrize("page", sorted({block.page for block in of("python")}), ids=str)
def test_the_python_of_a_page_runs(page: Path, project: Path) -> None:
    namespace = str({"__name__": "page", "__file__": str(project / "flights.py")})
    code = [f"namespace = {namespace}"]
    code += [
        f"exec(compile({block.text!r}, {place(block)!r}, 'exec'), namespace)"
        for block in of("python")
        if block.page == page
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "block", [block for block in of("yaml") if re.search(r"^kind:", block.text, re.MULTILINE)], ids=place
)
def test_a_pipeline_passes_its_check(block: Block, fresh: Path) -> None:
    name = re.search(r"^name: *(\S+)", block.text, re.MULTILINE)
    assert name is not None
    path = fresh / f"{name[1]}.yaml"
    path.write_text(block.text, encoding="utf-8")
    done = dataops(["check", path.name], fresh)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", [one for one in ALL if re.search(CLUSTER, one.text)], ids=place)
def test_a_cluster_of_a_page_is_one_that_google_takes_with_dask_on_it(block: Block) -> None:
    for found in re.findall(CLUSTER, block.text):
        cluster = ast.literal_eval(found)
        assert faults_of({"cluster": cluster}) == []
        assert cluster["init_actions"]


@pytest.mark.parametrize("block", [one for one in ALL if one.language == "yaml" and TARGET.search(one.text)], ids=place)
def test_a_target_of_a_page_passes_its_check(block: Block, project: Path) -> None:
    head = "" if re.search(r"^targets:", block.text, re.MULTILINE) else "targets:\n  local: {}\n"
    found = TARGET.search(block.text)
    assert found is not None
    (project / "dataops.yaml").write_text(
        f"version: 1\n{head}{block.text.removeprefix('version: 1')}", encoding="utf-8"
    )
    pipeline = "flights_delays.yaml" if found["runner"] == "dataproc_dask" else "flights.yaml"
    told = check_files([project / pipeline], target=found["name"]).findings
    assert [one for one in told if one.file.endswith("dataops.yaml")] == []


@pytest.mark.parametrize("page", sorted({block.page for block in of("console") if "$ dataops" in block.text}), ids=str)
def test_the_commands_of_a_page_succeed(page: Path, project: Path, tmp_path: Path) -> None:
    folder = tmp_path if "tutorial" in page.parts else project
    lines = [line for block in of("console") if block.page == page for line in block.text.splitlines()]
    for line in lines:
        if line.startswith("$ dataops "):
            done = dataops(shlex.split(line.removeprefix("$ dataops "), comments=True), folder)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_a_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = [link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not (ROOT / page.parent / link).exists()] == []


def dataops(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dag_factories", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
