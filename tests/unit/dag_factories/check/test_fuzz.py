# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in a file, the check says something about it and never falls over."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dag_factories.check.codes import CODES
from dag_factories.check.files import check_files
from dag_factories.reader import parse
from tests.unit.dag_factories.check.broken import GOOD, PROJECT, SUITE

_JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.sampled_from(
        [
            "",
            "x",
            "${lake}",
            "${run.date}",
            "${",
            "{{ x }}",
            "a > ",
            "1h",
            "@daily",
            "*",
            "0 0 * * *",
            "/",
            "..",
            "\x85",
            "é",
            "😀",
        ]
    )
    | st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "path", "rules", "x", "column", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [path, *(found for key, child in children for found in places(child, (*path, key)))]


DATA = parse(GOOD.encode(), "f").data
EXTRA = {
    "window": {"column": "at", "size": "day"},
    "defaults": {"retry_delay": "5m", "on_failure_callback": ["pager"]},
    "tasks": {"refine": {"pool": "x"}},
    "dag": {"params": {"a": 1}},
    "timezone": "UTC",
    "end_date": "2025-01-01",
    "schema": {"new_column": "add"},
    "quarantine": {"retention_days": 3},
    "resources": {"memory": "4GB"},
    "report": {"title": "t"},
    "tags": ["a"],
}
WHOLE = {**DATA, **EXTRA}
PROJECT_DATA = {**parse(PROJECT.encode(), "f").data, "limits": {"depth": 40}, "paths": ["s3://x"]}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        (path / "suites").mkdir()
        (path / "suites/orders.json").write_text(SUITE, encoding="utf-8")
        os.chdir(path)
        yield path
        os.chdir(before)


def changed(data: dict[str, Any], path: tuple[Any, ...], junk: Any) -> dict[str, Any]:
    made = copy.deepcopy(data)
    here: Any = made
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = junk
    return made


def told(folder: Path, pipeline: dict[str, Any], project: dict[str, Any]) -> None:
    text = yaml.safe_dump(pipeline, allow_unicode=True)
    (folder / "orders.yaml").write_text(text, encoding="utf-8")
    (folder / "dataops.yaml").write_text(yaml.safe_dump(project, allow_unicode=True), encoding="utf-8")
    for finding in check_files([folder / "orders.yaml"]).findings:
        assert finding.code in CODES, finding
        assert finding.line >= 1
        assert finding.message


@given(st.sampled_from(places(WHOLE)[1:]), _JUNK)
@settings(
    deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_value_in_a_pipeline_stops_the_check(folder: Path, path: tuple[Any, ...], junk: Any) -> None:
    told(folder, changed(WHOLE, path, junk), PROJECT_DATA)


@given(st.sampled_from(places(PROJECT_DATA)[1:]), _JUNK)
@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_value_in_the_project_file_stops_the_check(folder: Path, path: tuple[Any, ...], junk: Any) -> None:
    told(folder, DATA, changed(PROJECT_DATA, path, junk))
