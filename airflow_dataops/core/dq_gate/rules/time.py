# SPDX-License-Identifier: Apache-2.0
"""Rules on time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field, StrictStr, field_validator

from airflow_dataops.core.dq_gate.literals import family, json_safe
from airflow_dataops.core.dq_gate.moments import duration, duration_text, utc
from airflow_dataops.core.dq_gate.registry import rule
from airflow_dataops.core.dq_gate.rule import Context, Finding, TableRule

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows


@rule("freshness")
class Freshness(TableRule):
    """The latest time in a column is at most so old at the end of the run's data interval (never by the clock: a rerun sees the same)."""

    example = "{freshness: [event_time, 2h]}"
    positional = ("column", "max_age")
    needs_run_time = True

    column: StrictStr = Field(min_length=1)
    max_age: StrictStr

    @field_validator("max_age")
    @classmethod
    def _length(cls, max_age: str) -> str:
        duration(max_age)
        return max_age

    def reads(self) -> list[str]:
        return [self.column]

    def type_faults(self, columns: Mapping[str, str]) -> Iterator[str]:
        if family(columns[self.column]) not in ("moment", "text"):
            yield f"{self.column} is of type {columns[self.column]}, not a time"

    def aggregates(self, rows: Rows) -> dict[str, exp.Expression]:
        return {"latest": rows.latest(self.column)}

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:
        latest: date | datetime | None = seen["latest"]
        if latest is None:
            return Finding(False, None, "there is no time")
        if context.run_time is None:
            return Finding(False, json_safe(latest), "the run has no data interval to compare with")
        age = context.run_time - utc(latest)
        return Finding(
            age <= duration(self.max_age),
            json_safe(latest),
            f"the latest is {duration_text(age)} old ({json_safe(latest)})",
        )

    def describe(self) -> str:
        return f"the latest {self.column} is at most {self.max_age} old at the run's end"
