# SPDX-License-Identifier: Apache-2.0
"""Rules that compare values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, StrictBool, StrictStr, model_validator

from airflow_dataops.core.dq_gate.bounds import Bounds
from airflow_dataops.core.dq_gate.literals import family, value_fault
from airflow_dataops.core.dq_gate.registry import rule
from airflow_dataops.core.dq_gate.rule import ColumnRule, RowRule

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows


@rule("between")
class Between(Bounds, ColumnRule):
    """Each value lies between two ends; either may be left out, and either may be excluded."""

    example = "{between: [distance, 1, 6000]}"
    positional = ("column", "min", "max")
    gx_names = {"min_value": "min", "max_value": "max"}

    @model_validator(mode="after")
    def _needs_an_end(self) -> Self:
        if not self.bounded:
            raise ValueError("needs min, max or both")
        return self

    def type_faults(self, columns: Mapping[str, str]) -> Iterator[str]:
        for end in (self.min, self.max):
            fault = None if end is None else value_fault(self.column, columns[self.column], end, ordered=True)
            if fault:
                yield fault

    def bad(self, rows: Rows) -> exp.Expression:
        return rows.outside(rows.value(self.column), self, like=self.column)

    def describe(self) -> str:
        return f"{self.column} {self.range_text()}"


@rule("column_a_greater_than_b")
class ColumnAGreaterThanB(RowRule):
    """One column is greater than another in each row. A row with only one of the two breaks the rule, as in Great Expectations."""

    example = "{column_a_greater_than_b: [arr_time, dep_time]}"
    positional = ("a", "b")
    gx_names = {"column_A": "a", "column_B": "b"}

    a: StrictStr = Field(min_length=1)
    b: StrictStr = Field(min_length=1)
    or_equal: StrictBool = False
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing", "neither"] = "both_values_are_missing"

    def reads(self) -> list[str]:
        return [self.a, self.b]

    def type_faults(self, columns: Mapping[str, str]) -> Iterator[str]:
        kinds = {column: family(columns[column]) for column in self.reads()}
        if len(set(kinds.values())) > 1 or "other" in kinds.values():
            yield f"{self.a} ({columns[self.a]}) and {self.b} ({columns[self.b]}) cannot be compared"

    def present(self, rows: Rows) -> exp.Expression | None:
        if self.ignore_row_if == "neither":
            return None
        return (
            rows.all_present(self.reads())
            if self.ignore_row_if == "either_value_is_missing"
            else rows.any_present(self.reads())
        )

    def bad(self, rows: Rows) -> exp.Expression:
        a, b = rows.value(self.a), rows.value(self.b)
        holds = a >= b if self.or_equal else a > b
        present = self.present(rows)
        broken = rows.not_true(holds)
        return broken if present is None else rows.all_of([present, broken])

    def describe(self) -> str:
        return f"{self.a} is greater than {'or equal to ' if self.or_equal else ''}{self.b}"
