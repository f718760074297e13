# SPDX-License-Identifier: Apache-2.0
"""The queries as data: their shape, not what an engine makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
import sqlglot

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.refine.causes import causes
from airflow_dataops.core.refine.cells import compile_cells
from airflow_dataops.core.refine.explain import refine_sql
from airflow_dataops.core.refine.names import ROWS
from airflow_dataops.core.refine.plan import clean_plan
from airflow_dataops.core.refine.spec import CastSpec, CleanSpec, DedupSpec, RefineSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.sql.dialects import Dialect, render
from airflow_dataops.core.tables import FullSlice, MaskSpec, SecretRef, SourceSpec, TargetSpec, WindowSlice

COLUMNS = {"id": "bigint", "name": "string", "amount": "double", "at": "string"}
RUN = RunContext(
    pipeline="p",
    key="k",
    interval_start=datetime(2013, 1, 1, tzinfo=UTC),
    interval_end=datetime(2013, 1, 2, tzinfo=UTC),
)
FULL = CleanSpec(
    select=["name", "id", "at", "amount"],
    rename={"at": "moment"},
    cast={
        "moment": "timestamp",
        "id": CastSpec(type="string", on_error="null"),
        "name": CastSpec(type="integer", on_error="quarantine"),
    },
    trim=["*"],
    fill={"amount": 0},
    drop_nulls=["name"],
    keep_if=["amount > 0"],
    derive={"double": "amount * 2", "more": "double + name"},
    dedup=DedupSpec(keys=["id"], order_by=["-moment"], within="10 minutes", event_time="moment"),
)


def spec(clean: CleanSpec = FULL, **changes: Any) -> RefineSpec:
    told: dict[str, Any] = {
        "task": "refine", "lake": "/lake", "run": RUN, "source": SourceSpec(path="/b"), "slice": WindowSlice(column="at"),
        "clean": clean, "target": TargetSpec(path="/lake/t"),
    }  # fmt: skip
    return RefineSpec(**(told | changes))


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_every_step_renders_for_every_engine(dialect: Dialect) -> None:
    masks = {"id": MaskSpec(kind="sha256", salt=SecretRef(secret="env:S")), "double": MaskSpec(kind="drop")}
    shown = refine_sql(spec(masks=masks, exclude=["gate"]), COLUMNS, dialect=dialect)
    assert len(shown) == 7
    for text in shown:
        assert "dataops_raise" not in text
        assert sqlglot.parse_one(text, dialect=dialect) is not None


def test_the_order_of_columns_is_that_of_select_then_derive() -> None:
    assert list(clean_plan(spec(), COLUMNS, None).columns) == ["name", "id", "moment", "amount", "double", "more"]


def test_a_derived_column_that_needs_another_takes_a_select_around_it() -> None:
    plan = clean_plan(
        spec(CleanSpec(derive={"a": "id + 1", "b": "id + 2", "c": "a + b"}), slice=FullSlice()), COLUMNS, None
    )
    sql = render(plan.good, "duckdb")
    assert sql.count("SELECT") == 2


def test_a_plain_copy_has_no_filter() -> None:
    plan = clean_plan(spec(CleanSpec(), slice=FullSlice()), COLUMNS, None)
    assert "WHERE" not in render(plan.rows, "duckdb") + render(plan.good, "duckdb")
    assert plan.lost is None


def test_a_row_that_goes_on_is_the_same_by_its_cause_as_by_its_tests() -> None:
    clean = CleanSpec(
        cast={"id": CastSpec(type="integer", on_error="quarantine")},
        drop_nulls=["id"],
        keep_if=["id > 0"],
        derive={"more": "id + 1"},
    )
    plan = clean_plan(spec(clean, slice=FullSlice()), {"id": "string"}, None)
    with duckdb.connect() as connection:
        connection.execute(
            "create table dataops_source as select v as id, 'f' as _dataops_source_file, i as _dataops_source_row "
            "from (select unnest(['x', '1', '-1', null, '2', '2.5']) as v, generate_subscripts([1, 2, 3, 4, 5, 6], 1) as i)"
        )
        for name, query in (("dataops_rows", plan.rows), ("dataops_counted", plan.tally.beside(ROWS))):
            connection.execute(f"create view {name} as {render(query, 'duckdb')}")
        one, other = (
            connection.execute(render(query, "duckdb")).fetchall() for query in (plan.good, plan.good_counted)
        )
        counts = connection.execute(render(plan.tally.query(ROWS), "duckdb")).fetchall()[0]
    counted = dict(zip(plan.tally.counts, counts, strict=True))
    assert one == other
    assert sum(counted[name] for name in ("quarantined", "dropped_0", "dropped_1")) + len(one) == counted["rows"] == 6


def test_the_same_spec_gives_the_same_text() -> None:
    assert refine_sql(spec(), COLUMNS) == refine_sql(spec(), dict(COLUMNS))


def test_a_mask_of_a_column_that_select_leaves_out_has_nothing_to_do() -> None:
    left = spec(CleanSpec(select=["id", "at"]), masks={"name": MaskSpec(kind="null")})
    assert "NULL" not in refine_sql(left, COLUMNS)[-1]


def test_trim_of_all_means_texts_only_also_after_casts() -> None:
    cells = compile_cells(
        CleanSpec(cast={"id": "string", "name": CastSpec(type="integer", on_error="null")}, trim=["*"]), COLUMNS
    )
    trimmed = [cell.name for cell in cells if "TRIM(" in render(cell.value, "duckdb") and cell.type == "string"]
    assert trimmed == ["id", "at"]


def test_nan_reads_as_null() -> None:
    (cell,) = compile_cells(CleanSpec(select=["amount"]), COLUMNS)
    assert render(cell.value, "duckdb") == "NULLIF(\"amount\", CAST('NaN' AS DOUBLE))"


def test_causes_are_named_as_the_author_wrote_them() -> None:
    found = causes(CleanSpec(drop_nulls=["id", "id"], keep_if=[" amount > 0 "]), COLUMNS)
    assert [cause.label for cause in found] == ["drop_nulls(id)", "keep_if(amount > 0)"]


def test_an_expressions_offset_survives_the_place_in_the_message() -> None:
    with pytest.raises(SpecError, match=r"clean\.keep_if") as error:
        causes(CleanSpec(keep_if=["id > 0 and amont > 1"]), COLUMNS)
    assert (error.value.code, error.value.details["offset"]) == ("UNKNOWN_COLUMN", 11)


def test_a_masked_column_may_not_be_the_window() -> None:
    with pytest.raises(SpecError) as error:
        refine_sql(spec(CleanSpec(), masks={"at": MaskSpec(kind="digits")}), COLUMNS)
    assert error.value.code == "WINDOW_COLUMN_LOST"
