# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dag_factories.specs.composer_dask import ComposerDaskSpec

BASE: dict[str, Any] = {"version": 1, "kind": "composer_dask", "name": "x"}


def spec(*jobs: dict[str, Any], **more: Any) -> ComposerDaskSpec:
    named = [{"name": f"job-{number}", "function": "a:b", **job} for number, job in enumerate(jobs)]
    return ComposerDaskSpec.model_validate({**BASE, "jobs": named, **more})


def codes(made: ComposerDaskSpec) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(problem.code, problem.path) for problem in made.problems()]


def test_what_is_right_has_no_problems() -> None:
    assert codes(spec({}, {"after": "job-0"}, cluster="small", attempts=2)) == []


@pytest.mark.parametrize(
    ("cluster", "shape"), [(None, None), ("big", "big"), ({"shape": "big"}, "big"), ({"zones": []}, None)]
)
def test_a_shape_is_named_in_two_ways(cluster: Any, shape: str | None) -> None:
    assert spec({}, cluster=cluster).shape == shape


def test_a_policy_is_what_the_author_wrote_and_no_default() -> None:
    assert spec({}, budget=3, deadlines={"run": "2h"}).policy() == {"budget": "3", "deadlines": {"run": 7200}}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_circle_is_told_once_where_it_starts(count: int) -> None:
    jobs = [{"after": [f"job-{(number + 1) % count}"]} for number in range(count)]
    assert codes(spec(*jobs)) == [("JOB_CYCLE", ("jobs", 0, "after"))]


def test_a_job_behind_a_circle_is_in_none() -> None:
    found = codes(spec({"after": ["job-1"]}, {"after": ["job-2"]}, {"after": ["job-1"]}))
    assert found == [("JOB_CYCLE", ("jobs", 1, "after"))]


@pytest.mark.parametrize("key", ["password", "db_password", "API_TOKEN", "client_secret"])
def test_a_secret_is_not_written_at_any_depth(key: str) -> None:
    found = codes(spec({"args": {"deep": [{key: "hunter2"}]}}))
    assert found == [("SECRET_IN_FILE", ("jobs", 0, "args", "deep", 0, key))]


def test_a_secret_is_not_repeated() -> None:
    assert "hunter2" not in str(spec({"args": {"password": "hunter2"}}).problems())


@pytest.mark.parametrize(
    "args",
    [{"tokens": "a b"}, {"secret": "projects/p/secrets/s/versions/3", "x": 1}, {"password": None}, {"token": ""}],
)
def test_what_only_looks_like_a_secret_passes(args: dict[str, Any]) -> None:
    assert codes(spec({"args": args})) == []


@pytest.mark.parametrize("value", [{"ref": "env", "template": "${env:X}"}, {"secret": "env:X"}])
def test_an_argument_is_never_taken_for_a_reference_of_ours(value: dict[str, str]) -> None:
    assert ("REFERENCE_NOT_ALLOWED", ("jobs", 0, "args", "x")) in codes(spec({"args": {"x": value}}))


def test_a_pipeline_without_jobs_is_none() -> None:
    with pytest.raises(ValidationError):
        spec()
