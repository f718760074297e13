# SPDX-License-Identifier: Apache-2.0
"""The slice that a file declares, its masks and limits, and what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_dataops.core.tables import FullSlice, MaskSpec, PartitionSlice, RunSlice, WindowSlice
from dag_factories.specs.bronze_to_silver import BronzeToSilverSpec
from dag_factories.specs.limits import Limits


def spec(**changes: Any) -> BronzeToSilverSpec:
    base = {"version": 1, "kind": "bronze_to_silver", "name": "x", "source": {"path": "a"}, "target": {"path": "b"}}
    return BronzeToSilverSpec.model_validate({**base, **changes})


def codes(**changes: Any) -> list[str]:
    return [problem.code for problem in spec(**changes).problems()]


@pytest.mark.parametrize(
    ("path", "partition_by", "owned"),
    [
        ("b/month=${run.month}", ["month"], PartitionSlice(values={"month": "${run.month}"})),
        (
            "b/y=${run.year}/m=${run.month}/*.csv",
            ["y", "m"],
            PartitionSlice(values={"y": "${run.year}", "m": "${run.month}"}),
        ),
        ("b/y=${run.year}/m=${run.month}", ["m"], RunSlice(source="b/y=${run.year}/m=${run.month}")),
        ("b/${run.date}", ["day"], RunSlice(source="b/${run.date}")),
        ("${lake}/b/${run.date}", ["day"], RunSlice(source="b/${run.date}")),
        ("b/day=${run.date}/x-${run.hour}.csv", ["day"], RunSlice(source="b/day=${run.date}/x-${run.hour}.csv")),
        ("b/day=${run.date}", [], RunSlice(source="b/day=${run.date}")),
    ],
)
def test_a_path_owns_partitions_only_where_all_of_its_references_are_partitions(
    path: str, partition_by: list[str], owned: object
) -> None:
    made = spec(source={"path": path}, target={"path": "b", "partition_by": partition_by})
    assert made.slice() == owned
    assert made.problems() == []


def test_full_and_window() -> None:
    assert spec(full=True).slice() == FullSlice()
    assert spec(window={"column": "at", "size": "day"}).slice() == WindowSlice(column="at", size="day")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "SLICE_MISSING"),
        ({"full": True, "window": {"column": "at"}, "schedule": "@daily"}, "SLICE_AMBIGUOUS"),
        ({"full": True, "source": {"path": "x/${run.date}"}}, "SLICE_AMBIGUOUS"),
        ({"window": {"column": "at"}}, "WINDOW_WITHOUT_SCHEDULE"),
        ({"full": True, "target": {"path": "b", "mode": "merge"}}, "MERGE_WITHOUT_KEYS"),
        ({"full": True, "target": {"path": "b", "keys": ["id"]}}, "KEYS_WITHOUT_MERGE"),
        ({"full": True, "target": {"path": "a/"}}, "TARGET_IS_SOURCE"),
        ({"full": True, "quality": {"bronze": {}}}, "GATE_WITHOUT_RULES"),
        ({"full": True, "clean": {"dedup": {"keys": ["a"], "within": "1h"}}}, "DEDUP_WATERMARK"),
    ],
)
def test_a_contradiction_is_a_problem(changes: dict[str, Any], code: str) -> None:
    assert codes(**changes) == [code]


@pytest.mark.parametrize("written", [None, "null", {"kind": None}, {"kind": "null"}])
def test_a_null_mask_is_a_mask(written: Any) -> None:
    assert spec(columns={"ssn": {"mask": written}}).columns["ssn"].mask == MaskSpec(kind="null")


def test_no_mask_is_none() -> None:
    assert spec(columns={"ssn": {}}).columns["ssn"].mask is None


def test_a_salt_is_kept_as_a_reference() -> None:
    mask = spec(columns={"ssn": {"mask": {"kind": "sha256", "salt": "${env:SALT}"}}}).columns["ssn"].mask
    assert mask is not None
    assert mask.salt is not None
    assert mask.salt.secret == "env:SALT"


def test_a_tag_may_stand_alone() -> None:
    assert spec(columns={"a": {"tags": "email"}}).columns["a"].tags == ["email"]


def test_the_silver_gate_cannot_quarantine() -> None:
    with pytest.raises(ValidationError):
        spec(quality={"silver": {"rules": [{"not_null": "a"}], "on_failure": "quarantine"}})


def test_drift_is_written_schema_and_only_so() -> None:
    assert spec(schema={"new_column": "fail"}).drift.new_column == "fail"
    with pytest.raises(ValidationError):
        spec(drift={"new_column": "fail"})


def test_limits_of_a_file_win_over_those_of_the_target() -> None:
    base = Limits.model_validate({"memory": "4GB", "threads": 4})
    assert Limits.model_validate({"memory": "1GB"}).over(base).model_dump() == {
        "memory_bytes": 2**30,
        "threads": 4,
        "spill_dir": None,
    }
