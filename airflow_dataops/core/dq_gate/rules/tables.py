# SPDX-License-Identifier: Apache-2.0
"""Rules on the number of rows and on the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, StrictBool, StrictInt, StrictStr, field_validator

from airflow_dataops.core.dq_gate.bounds import Bounds, bounds_of_equal, equal_of_bounds
from airflow_dataops.core.dq_gate.gx_types import type_fault, types_match
from airflow_dataops.core.dq_gate.literals import shown
from airflow_dataops.core.dq_gate.registry import rule
from airflow_dataops.core.dq_gate.rule import Context, Finding, Number, TableRule

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows


@rule("row_count")
class RowCount(Bounds, TableRule):
    """The number of rows lies between two ends."""

    example = "{row_count: {min: 1}}"
    positional = ("min", "max")
    gx_names = {"min_value": "min", "max_value": "max"}

    min: Number | None = None
    max: Number | None = None

    @classmethod
    def from_gx(cls, name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
        return bounds_of_equal(name, super().from_gx(name, kwargs))

    @classmethod
    def to_gx(cls, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return equal_of_bounds(name, super().to_gx(name, arguments))

    def aggregates(self, rows: Rows) -> dict[str, exp.Expression]:
        return {"rows": rows.count()}

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:  # noqa: ARG002 - the count is all it needs
        count = int(seen["rows"])
        return Finding(self.contains(count), count, f"it is {count}")

    def describe(self) -> str:
        return f"the number of rows {self.range_text()}"


class _SchemaRule(TableRule):
    """A rule on the schema alone: the rows do not matter."""

    row_condition: None = None


@rule("column_exists")
class ColumnExists(_SchemaRule):
    """The table has a column, at a place of its own where ``index`` (from 0) is given."""

    example = "{column_exists: tailnum}"
    positional = ("column", "index")
    gx_names = {"column_index": "index"}

    column: StrictStr = Field(min_length=1)
    index: StrictInt | None = Field(default=None, ge=0)

    def about(self) -> list[str]:
        return [self.column]

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:  # noqa: ARG002 - the schema is all it needs
        names = list(context.columns)
        if self.column not in names:
            return Finding(False, names, f"the columns are {shown(names, 30)}")
        place = names.index(self.column)
        return Finding(self.index in (None, place), place, f"it is column {place}")

    def describe(self) -> str:
        return f"there is a column {self.column}" + ("" if self.index is None else f" at place {self.index}")


@rule("columns_match_set")
class ColumnsMatchSet(_SchemaRule):
    """The table has these columns, in any order, and no others unless ``exact`` is false."""

    example = "{columns_match_set: {columns: [year, month, day], exact: false}}"
    positional = ("*columns",)
    gx_names = {"column_set": "columns", "exact_match": "exact"}

    columns: list[StrictStr] = Field(min_length=1)
    exact: StrictBool = True

    def about(self) -> list[str]:
        return []

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:  # noqa: ARG002 - the schema is all it needs
        names = list(context.columns)
        missing = [name for name in self.columns if name not in names]
        extra = [name for name in names if name not in self.columns] if self.exact else []
        found = [f"missing are {shown(missing, 30)}"] if missing else []
        found += [f"not expected are {shown(extra, 30)}"] if extra else []
        return Finding(not found, names, " and ".join(found) or f"it has {len(names)}")

    def describe(self) -> str:
        return f"the table has {'exactly' if self.exact else 'at least'} these {len(set(self.columns))} columns"


@rule("columns_in_order")
class ColumnsInOrder(_SchemaRule):
    """The table has exactly these columns in this order."""

    example = "{columns_in_order: [year, month, day]}"
    positional = ("*columns",)
    gx_names = {"column_list": "columns"}

    columns: list[StrictStr] = Field(min_length=1)

    def about(self) -> list[str]:
        return []

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:  # noqa: ARG002 - the schema is all it needs
        names = list(context.columns)
        return Finding(names == self.columns, names, f"they are {shown(names, 30)}")

    def describe(self) -> str:
        return f"the columns are, in order, {shown(self.columns, 30)}"


@rule("column_type")
class ColumnType(_SchemaRule):
    """A column has one of some types: canonical names, or those that Great Expectations knows of pandas, Spark and SQL."""

    example = "{column_type: [distance, [integer, bigint]]}"
    positional = ("column", "types")
    gx_names = {"type_": "types", "type_list": "types"}

    column: StrictStr = Field(min_length=1)
    types: list[StrictStr] = Field(min_length=1)

    @classmethod
    def from_gx(cls, name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
        # All values of a column have its one type, so that no share of them can.
        return super().from_gx(name, {key: value for key, value in kwargs.items() if key != "mostly"})

    @classmethod
    def to_gx(cls, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        kwargs = dict(arguments)
        types = kwargs.pop("types")
        return kwargs | ({"type_": types[0]} if name.endswith("_of_type") else {"type_list": types})

    @field_validator("types", mode="before")
    @classmethod
    def _one_or_more(cls, types: Any) -> Any:
        return [types] if isinstance(types, str) else types

    @field_validator("types")
    @classmethod
    def _known(cls, types: list[str]) -> list[str]:
        faults = [fault for name in types if (fault := type_fault(name))]
        if faults:
            raise ValueError("; ".join(faults))
        return types

    def reads(self) -> list[str]:
        return [self.column]

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:  # noqa: ARG002 - the schema is all it needs
        actual = context.columns[self.column]
        return Finding(types_match(actual, self.types), actual, f"it is {actual}")

    def describe(self) -> str:
        return f"{self.column} is of type {' or '.join(self.types)}"
