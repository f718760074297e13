# SPDX-License-Identifier: Apache-2.0
"""Rules on texts. Values of other simple types are looked at as texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import StrictStr, field_validator, model_validator

from airflow_dataops.core.dq_gate.bounds import Bounds, bounds_of_equal, equal_of_bounds
from airflow_dataops.core.dq_gate.literals import family
from airflow_dataops.core.dq_gate.registry import rule
from airflow_dataops.core.dq_gate.rule import ColumnRule, Number
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql.regex import check_regex

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows


class _Text(ColumnRule):
    """A rule on the text of a value."""

    def type_faults(self, columns: Mapping[str, str]) -> Iterator[str]:
        if family(columns[self.column]) == "other":
            yield f"{self.column} is of type {columns[self.column]}, which has no text"


class _Pattern(_Text):
    """A rule with a regular expression."""

    positional = ("column", "pattern")
    gx_names = {"regex": "pattern"}

    pattern: StrictStr

    @field_validator("pattern")
    @classmethod
    def _portable(cls, pattern: str) -> str:
        try:
            check_regex(pattern)
        except SpecError as error:
            raise ValueError(error.message) from error
        return pattern


@rule("regex")
class Regex(_Pattern):
    """A regular expression is found somewhere in each value; ``^`` and ``$`` tie it to the ends."""

    example = "{regex: [tailnum, '^N[1-9]']}"

    def bad(self, rows: Rows) -> exp.Expression:
        return rows.matches(self.column, self.pattern).not_()

    def describe(self) -> str:
        return f"{self.column} matches {self.pattern}"


@rule("not_regex")
class NotRegex(_Pattern):
    """A regular expression is found in no value."""

    example = "{not_regex: [note, '[0-9]{16}']}"

    def bad(self, rows: Rows) -> exp.Expression:
        return rows.matches(self.column, self.pattern)

    def describe(self) -> str:
        return f"{self.column} does not match {self.pattern}"


@rule("length_between")
class LengthBetween(Bounds, _Text):
    """The number of characters (Unicode code points) of each value lies between two ends."""

    example = "{length_between: [carrier, 2, 2]}"
    positional = ("column", "min", "max")
    gx_names = {"min_value": "min", "max_value": "max"}

    min: Number | None = None
    max: Number | None = None

    @classmethod
    def from_gx(cls, name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
        return bounds_of_equal(name, super().from_gx(name, kwargs))

    @classmethod
    def to_gx(cls, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return equal_of_bounds(name, super().to_gx(name, arguments))

    @model_validator(mode="after")
    def _needs_an_end(self) -> Self:
        if not self.bounded:
            raise ValueError("needs min, max or both")
        return self

    def bad(self, rows: Rows) -> exp.Expression:
        return rows.outside(rows.length(self.column), self)

    def describe(self) -> str:
        return f"the length of {self.column} {self.range_text()}"
