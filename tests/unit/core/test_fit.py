# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.fit import check_memory, check_source, holds_rows, size
from airflow_dataops.core.refine.spec import RefineSpec

GIB = 2**30
COMMON: dict[str, Any] = {
    "task": "t",
    "lake": "/lake",
    "run": {"pipeline": "p", "key": "k"},
    "source": {"path": "/lake/bronze"},
    "slice": {"kind": "full"},
}


def gate(**fields: Any) -> GateSpec:
    return GateSpec.model_validate({**COMMON, **fields})


def refine(**fields: Any) -> RefineSpec:
    return RefineSpec.model_validate({**COMMON, "target": {"path": "/lake/silver"}, **fields})


DEDUP: dict[str, Any] = {"clean": {"dedup": {"keys": ["a"]}}}


@pytest.mark.parametrize(
    ("spec", "holds"),
    [
        (refine(), False),
        (refine(**DEDUP), True),
        (refine(**DEDUP, slice={"kind": "window", "column": "t"}), False),
        (gate(rules=[{"not_null": "a"}]), False),
        (gate(rules=[{"unique": "a"}]), True),
        (gate(rules=[{"compound_unique": ["a", "b"]}]), True),
        (gate(suite={"expectations": [{"type": "expect_column_values_to_be_unique", "kwargs": {}}]}), True),
        (gate(suite={"expectations": [{"expectation_type": "expect_compound_columns_to_be_unique"}]}), True),
        (gate(suite={"expectations": [{"type": "expect_column_values_to_not_be_null"}]}), False),
        (gate(suite={"expectations": "broken"}), False),
    ],
)
def test_only_dedup_and_uniqueness_of_a_known_slice_hold_the_rows(spec: GateSpec | RefineSpec, holds: bool) -> None:
    assert holds_rows(spec) is holds


def test_a_source_larger_than_memory_and_disk_is_refused_with_sizes_and_way_out() -> None:
    with pytest.raises(
        InputError, match=r"100.0 GiB.*2.0 GiB of memory and 50.0 GiB of free disk(.|\n)*spill_dir"
    ) as caught:
        check_source(refine(**DEDUP), source_bytes=100 * GIB, memory=2 * GIB, spill_free=50 * GIB)
    assert caught.value.code == "SOURCE_TOO_LARGE"


@pytest.mark.parametrize(
    ("source", "memory", "free"), [(52, 2, 50), (None, 2, 50), (100, None, 50), (100, 2, None), (0, 2, 50)]
)
def test_what_may_fit_or_is_not_known_is_let_through(source: int | None, memory: int | None, free: int | None) -> None:
    check_source(refine(**DEDUP), source_bytes=source, memory=memory, spill_free=free)


def test_a_job_that_streams_may_read_any_size() -> None:
    check_source(refine(), source_bytes=10**15, memory=2**20, spill_free=0)


def test_more_memory_than_there_is_is_refused() -> None:
    spec = refine(resources={"memory_bytes": 8 * GIB})
    with pytest.raises(SpecError, match=r"asks for 8.0 GiB, and this worker has 2.0 GiB"):
        check_memory(spec, 2 * GIB)


@pytest.mark.parametrize(("asked", "limit"), [(None, 2**20), (GIB, GIB), (GIB, None)])
def test_memory_within_the_limit_is_fine(asked: int | None, limit: int | None) -> None:
    check_memory(refine(resources={"memory_bytes": asked}), limit)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * GIB, "3.0 GiB"), (5000 * 2**40, "5000.0 TiB")],
)
def test_sizes_are_said_for_people(amount: int, text: str) -> None:
    assert size(amount) == text
