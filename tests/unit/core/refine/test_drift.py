# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.refine.drift import absent_columns, table_shape
from airflow_dataops.core.refine.spec import CleanSpec, DriftSpec

PUBLISHED = {"id": "bigint", "name": "string", "speed": "double"}
NULL = DriftSpec(missing_column="null")


def absent(
    columns: dict[str, str], drift: DriftSpec = NULL, clean: CleanSpec | None = None, **known: Any
) -> dict[str, str]:
    return absent_columns(
        clean or CleanSpec(), drift, columns, declared=known.get("declared", {}), published=known.get("published")
    )


def test_nothing_is_expected_of_a_first_run_without_declared_types() -> None:
    assert absent({}) == {}


def test_what_the_table_was_made_from_is_expected() -> None:
    assert absent({"id": "bigint"}, published=PUBLISHED) == {"name": "string", "speed": "double"}


def test_declared_types_are_expected_and_win() -> None:
    assert absent({"id": "bigint"}, declared={"name": "int"}, published={"name": "string"}) == {"name": "integer"}


@pytest.mark.parametrize(
    "clean",
    [
        CleanSpec(derive={"speed": "id * 2.0"}, rename={"label": "name"}),
        CleanSpec(select=["id", "label"], rename={"label": "name"}),
    ],
)
def test_derived_renamed_and_left_out_columns_are_not_missed(clean: CleanSpec) -> None:
    assert absent({"id": "bigint", "label": "string"}, clean=clean, published=PUBLISHED) == {}


def test_missing_columns_fail_by_default_and_are_named() -> None:
    with pytest.raises(InputError, match="lacks 'name', 'speed'; it has 'id'") as error:
        absent({"id": "bigint"}, DriftSpec(), published=PUBLISHED)
    assert (error.value.code, error.value.details) == ("SCHEMA_DRIFT", {"missing": ["name", "speed"]})


def test_the_first_table_is_as_it_comes() -> None:
    assert table_shape({"b": "string", "a": "bigint"}, None, DriftSpec(new_column="fail")).columns == {
        "b": "string",
        "a": "bigint",
    }


def test_the_order_of_the_published_table_stays_and_new_columns_follow() -> None:
    shape = table_shape({"new": "date", "speed": "double", "name": "string", "id": "bigint"}, PUBLISHED, DriftSpec())
    assert list(shape.columns) == ["id", "name", "speed", "new"]
    assert shape.notes == ["new column 'new' (date) is added"]


@pytest.mark.parametrize(
    ("columns", "drift", "message"),
    [
        ({**PUBLISHED, "new": "date"}, DriftSpec(new_column="fail"), "has no 'new'"),
        ({"id": "bigint", "name": "string"}, DriftSpec(), "has 'speed', and the cleaned rows lack it"),
        ({**PUBLISHED, "id": "integer"}, NULL, "'id' was bigint and is integer now"),
        ({**PUBLISHED, "id": "integer"}, DriftSpec(new_column="ignore"), "'id' was bigint and is integer now"),
    ],
)
def test_a_forbidden_change_is_refused(columns: dict[str, str], drift: DriftSpec, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        table_shape(columns, PUBLISHED, drift)
    assert error.value.code == "SCHEMA_DRIFT"
    assert error.value.hint


def test_missing_becomes_null_and_new_is_ignored_where_asked() -> None:
    shape = table_shape(
        {"id": "bigint", "new": "date"}, PUBLISHED, DriftSpec(new_column="ignore", missing_column="null")
    )
    assert (shape.columns, shape.nulls) == (PUBLISHED, {"name", "speed"})


def test_a_type_that_only_a_folder_name_tells_is_not_compared() -> None:
    assert table_shape(
        {"month": "string", "x": "date"}, {"x": "date", "month": "bigint"}, DriftSpec(), untyped=["month"]
    ).columns == {
        "x": "date",
        "month": "string",
    }
