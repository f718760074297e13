# SPDX-License-Identifier: Apache-2.0
"""Rules on sets of values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from airflow_dataops.core.dq_gate.bounds import Scalar
from airflow_dataops.core.dq_gate.literals import shown, value_fault
from airflow_dataops.core.dq_gate.registry import rule
from airflow_dataops.core.dq_gate.rule import ColumnRule

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows


class _Values(ColumnRule):
    """A rule with a list of values of the column's type."""

    positional = ("column", "values")
    gx_names = {"value_set": "values"}

    values: list[Scalar] = Field(min_length=1)

    def type_faults(self, columns: Mapping[str, str]) -> Iterator[str]:
        faults = (value_fault(self.column, columns[self.column], value) for value in self.values)
        yield from dict.fromkeys(fault for fault in faults if fault)


@rule("in_set")
class InSet(_Values):
    """Each value is one of a list."""

    example = "{in_set: [origin, [EWR, JFK, LGA]]}"

    def bad(self, rows: Rows) -> exp.Expression:
        return rows.within(self.column, self.values).not_()

    def describe(self) -> str:
        return f"{self.column} is one of {shown(self.values)}"


@rule("not_in_set")
class NotInSet(_Values):
    """No value is one of a list."""

    example = "{not_in_set: [carrier, [XX, ZZ]]}"

    def bad(self, rows: Rows) -> exp.Expression:
        return rows.within(self.column, self.values)

    def describe(self) -> str:
        return f"{self.column} is none of {shown(self.values)}"
