# SPDX-License-Identifier: Apache-2.0
"""The project's folder: where it is, which target is meant, and what lies in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from dag_factories.pipeline import load_project
from dag_factories.project import Project, ProjectSpec, find_root


def project(root: Path, **spec: Any) -> Project:
    return Project(root, ProjectSpec.model_validate({"version": 1, **spec}))


def test_the_root_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / "dataops.yaml").write_text("version: 1\n", encoding="utf-8")
    (tmp_path / "a/b").mkdir(parents=True)
    assert find_root(tmp_path / "a/b") == tmp_path


def test_the_search_ends_at_the_top_of_a_work_tree(tmp_path: Path) -> None:
    (tmp_path / "dataops.yaml").write_text("version: 1\n", encoding="utf-8")
    (tmp_path / "repo/.git").mkdir(parents=True)
    (tmp_path / "repo/pipelines").mkdir()
    assert find_root(tmp_path / "repo/pipelines") is None


def test_a_file_without_a_project_has_one_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    loaded = load_project(tmp_path)
    assert (loaded.project.root, loaded.findings) == (tmp_path, ())
    assert loaded.project.target(environ={}).lake == str(tmp_path / "lake")


TARGETS = {"local": {"lake": "./lake"}, "gcp": {"lake": "gs://bucket/lake/"}, "env": {"lake": "${env:LAKE}/x"}}


@pytest.mark.parametrize(
    ("name", "environ", "chosen"),
    [(None, {}, "local"), (None, {"DATAOPS_TARGET": "gcp"}, "gcp"), ("env", {"DATAOPS_TARGET": "gcp"}, "env")],
)
def test_a_target_is_chosen(name: str | None, environ: dict[str, str], chosen: str, tmp_path: Path) -> None:
    assert project(tmp_path, targets=TARGETS).target(name, environ).name == chosen


def test_an_unknown_target_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="did you mean 'local'"):
        project(tmp_path, targets=TARGETS).target("locl", {})


@pytest.mark.parametrize(
    ("target", "lake"), [("local", "{root}/lake"), ("gcp", "gs://bucket/lake"), ("env", "${env:LAKE}/x")]
)
def test_a_lake_is_a_full_path_without_a_slash_at_the_end(target: str, lake: str, tmp_path: Path) -> None:
    made = project(tmp_path, targets=TARGETS).target(target, {})
    assert made.lake == lake.replace("{root}", str(tmp_path))


def test_a_table_is_found_from_the_lake_or_the_project(tmp_path: Path) -> None:
    home = project(tmp_path, targets=TARGETS)
    assert home.table("${lake}/x/${run.date}", home.target("gcp", {})) == "gs://bucket/lake/x/${run.date}"
    assert home.table("data/x", home.target("gcp", {})) == f"{tmp_path}/data/x"


@pytest.mark.parametrize(
    "path", ["${lake}/x", "data/x.csv", "gs://bucket/lake/x", "${env:ELSEWHERE}/x", "s3://shared/x"]
)
def test_what_lies_in_the_project_the_lake_or_the_paths_is_taken(path: str, tmp_path: Path) -> None:
    home = project(tmp_path, targets=TARGETS, paths=["s3://shared"])
    home.confined(path, home.target("gcp", {}))


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "${lake}/../../x",
        "gs://bucket/lakes/x",
        "s3://other",
        "gs://bucket/lake/../x",
        "file:///etc/passwd",
    ],
)
def test_what_lies_elsewhere_is_refused(path: str, tmp_path: Path) -> None:
    home = project(tmp_path, targets=TARGETS)
    with pytest.raises(SpecError, match="PATH_OUTSIDE"):
        home.confined(path, home.target("gcp", {}))


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    os.symlink("/etc", root / "suites")
    home = project(root)
    with pytest.raises(SpecError, match="PATH_OUTSIDE"):
        home.file_path("suites/passwd")
    with pytest.raises(SpecError, match="PATH_OUTSIDE"):
        home.confined("suites/passwd", home.target("local", {}))
