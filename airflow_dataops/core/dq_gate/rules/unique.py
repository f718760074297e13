# SPDX-License-Identifier: Apache-2.0
"""Rules on repeated values. Every row of a repeated value breaks them, not only the second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, StrictStr, field_validator

from airflow_dataops.core.dq_gate.bounds import Bounds
from airflow_dataops.core.dq_gate.registry import rule
from airflow_dataops.core.dq_gate.rule import ColumnRule, Context, Finding, IgnoreRow, KeyRule, Number, TableRule

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows


@rule("unique")
class Unique(KeyRule, ColumnRule):
    """No value occurs twice. Missing values are not looked at."""

    example = "{unique: order_id}"

    def describe(self) -> str:
        return f"{self.column} is unique"


@rule("compound_unique")
class CompoundUnique(KeyRule):
    """No combination of values occurs twice; a missing value equals a missing value."""

    example = "{compound_unique: [carrier, flight, day]}"
    positional = ("*columns",)
    gx_names = {"column_list": "columns"}

    columns: list[StrictStr] = Field(min_length=2)
    ignore_row_if: IgnoreRow = "all_values_are_missing"

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: list[str]) -> list[str]:
        if len(set(columns)) < len(columns):
            raise ValueError("names a column twice")
        return columns

    def reads(self) -> list[str]:
        return list(self.columns)

    def present(self, rows: Rows) -> exp.Expression | None:
        if self.ignore_row_if == "never":
            return None
        # Sorted, so that the same key in another order is grouped once.
        columns = sorted(self.columns)
        return (
            rows.any_present(columns) if self.ignore_row_if == "all_values_are_missing" else rows.all_present(columns)
        )

    def describe(self) -> str:
        return f"{', '.join(self.columns)} are unique together"


@rule("distinct_count")
class DistinctCount(Bounds, TableRule):
    """The number of different values lies between two ends. Missing values are not counted."""

    example = "{distinct_count: [origin, 3, 3]}"
    positional = ("column", "min", "max")
    gx_names = {"min_value": "min", "max_value": "max"}

    column: StrictStr = Field(min_length=1)
    min: Number | None = None
    max: Number | None = None

    def reads(self) -> list[str]:
        return [self.column]

    def distinct(self) -> str | None:
        return self.column

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:  # noqa: ARG002 - the count is all it needs
        count = int(seen["distinct"])
        return Finding(self.contains(count), count, f"it has {count}")

    def describe(self) -> str:
        return f"the number of different values of {self.column} {self.range_text()}"
