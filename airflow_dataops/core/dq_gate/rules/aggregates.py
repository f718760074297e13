# SPDX-License-Identifier: Apache-2.0
"""Rules on one number made of a column. Missing values are left out; without any value the rule does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, StrictStr, field_validator, model_validator

from airflow_dataops.core.dq_gate.bounds import Bounds
from airflow_dataops.core.dq_gate.literals import family, json_safe, value_fault
from airflow_dataops.core.dq_gate.moments import comparable, utc
from airflow_dataops.core.dq_gate.registry import rule
from airflow_dataops.core.dq_gate.rule import Context, Finding, Number, TableRule

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows


class _Aggregate(Bounds, TableRule):
    """A rule on one aggregate of one column."""

    positional = ("column", "min", "max")
    gx_names = {"min_value": "min", "max_value": "max"}
    function: ClassVar[str]

    column: StrictStr = Field(min_length=1)

    def reads(self) -> list[str]:
        return [self.column]

    def type_faults(self, columns: Mapping[str, str]) -> Iterator[str]:
        if family(columns[self.column]) != "number":
            yield f"{self.column} is of type {columns[self.column]}, which has no {self.kind}"
            return
        for end in (self.min, self.max):
            fault = None if end is None else value_fault(self.column, columns[self.column], end, ordered=True)
            if fault:
                yield fault

    def aggregates(self, rows: Rows) -> dict[str, exp.Expression]:
        return {"value": rows.aggregate(self.function, self.column)}

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:  # noqa: ARG002 - overridden where needed
        value = json_safe(seen["value"])
        if value is None:
            return Finding(False, None, "there is no value")
        if isinstance(value, str):
            return Finding(False, value, f"it is {value}")
        return Finding(self.contains(value), value, f"it is {_short(value)}")

    def describe(self) -> str:
        return f"the {self.kind} of {self.column} {self.range_text()}"


@rule("mean")
class Mean(_Aggregate):
    """The mean lies between two ends."""

    example = "{mean: [distance, 900, 1200]}"
    function = "avg"


@rule("sum")
class Sum(_Aggregate):
    """The sum lies between two ends."""

    example = "{sum: [amount, 0, 1000000]}"
    function = "sum"


@rule("stdev")
class Stdev(_Aggregate):
    """The standard deviation of the sample (n - 1) lies between two ends."""

    example = "{stdev: [air_time, 1, 200]}"
    function = "stddev_samp"


@rule("median")
class Median(_Aggregate):
    """The median (the mean of the middle two where there are two) lies between two ends."""

    example = "{median: [air_time, 100, 160]}"
    function = "median"


class _Extreme(_Aggregate):
    """The lowest or highest value of a column of numbers, texts or times."""

    def type_faults(self, columns: Mapping[str, str]) -> Iterator[str]:
        if family(columns[self.column]) not in ("number", "text", "moment"):
            yield f"{self.column} is of type {columns[self.column]}, which has no order"
            return
        yield from (
            super().type_faults(columns) if family(columns[self.column]) == "number" else self._end_faults(columns)
        )

    def _end_faults(self, columns: Mapping[str, str]) -> Iterator[str]:
        for end in (self.min, self.max):
            fault = None if end is None else value_fault(self.column, columns[self.column], end, ordered=True)
            if fault:
                yield fault

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:
        value = seen["value"]
        if value is None:
            return Finding(False, None, "there is no value")
        if family(context.columns[self.column]) == "moment":
            ends = {"min": comparable(self.min), "max": comparable(self.max)}
            passed = self.model_copy(update=ends).contains(utc(value))
            return Finding(passed, json_safe(value), f"it is {json_safe(value)}")
        if family(context.columns[self.column]) == "text":
            return Finding(self.contains(value), value, f"it is {value!r}")
        return super().judge(seen, context)


@rule("min")
class Min(_Extreme):
    """The lowest value lies between two ends."""

    example = "{min: [distance, 1, null]}"
    function = "min"


@rule("max")
class Max(_Extreme):
    """The highest value lies between two ends."""

    example = "{max: [distance, null, 6000]}"
    function = "max"


@rule("quantile")
class Quantile(TableRule):
    """Quantiles, each a value of the column (the lowest one that is not below the share), lie each between two ends."""

    example = "{quantile: [air_time, 0.95, 10, 400]}"
    positional = ("column", "quantile", "min", "max")

    column: StrictStr = Field(min_length=1)
    quantiles: list[float] = Field(min_length=1)
    ranges: list[tuple[Number | None, Number | None]]

    @classmethod
    def from_gx(cls, name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
        arguments = super().from_gx(name, kwargs)
        ranges = arguments.pop("quantile_ranges", None) or {}
        return arguments | {"quantiles": ranges.get("quantiles"), "ranges": ranges.get("value_ranges")}

    @classmethod
    def to_gx(cls, name: str, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG003 - it has one name
        kwargs = dict(arguments)
        ranges = {"quantiles": kwargs.pop("quantiles"), "value_ranges": kwargs.pop("ranges")}
        return kwargs | {"quantile_ranges": ranges}

    @model_validator(mode="before")
    @classmethod
    def _one_quantile(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "quantile" not in given:
            return given
        rest = {key: value for key, value in given.items() if key not in ("quantile", "min", "max")}
        return {**rest, "quantiles": [given["quantile"]], "ranges": [(given.get("min"), given.get("max"))]}

    @field_validator("quantiles")
    @classmethod
    def _shares(cls, quantiles: list[float]) -> list[float]:
        if not all(0 <= share <= 1 for share in quantiles):
            raise ValueError("a quantile is a share from 0 to 1")
        return quantiles

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if len(self.quantiles) != len(self.ranges):
            raise ValueError(f"{len(self.quantiles)} quantiles and {len(self.ranges)} ranges; each quantile needs one")
        if any(low is not None and high is not None and low > high for low, high in self.ranges):
            raise ValueError("the lower end of a range is greater than its upper end")
        return self

    def reads(self) -> list[str]:
        return [self.column]

    def type_faults(self, columns: Mapping[str, str]) -> Iterator[str]:
        if family(columns[self.column]) != "number":
            yield f"{self.column} is of type {columns[self.column]}, which has no quantiles of numbers"

    def aggregates(self, rows: Rows) -> dict[str, exp.Expression]:
        return {f"q{index}": rows.quantile(self.column, share) for index, share in enumerate(self.quantiles)}

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:  # noqa: ARG002 - the values are all it needs
        values = [json_safe(seen[f"q{index}"]) for index in range(len(self.quantiles))]
        if None in values:
            return Finding(False, values, "there is no value")
        inside = [
            (low is None or value >= low) and (high is None or value <= high)
            for value, (low, high) in zip(values, self.ranges, strict=True)
        ]
        return Finding(all(inside), values, f"they are {', '.join(map(_short, values))}")

    def describe(self) -> str:
        parts = (
            f"{share:g} {Bounds(min=low, max=high).range_text()}"
            for share, (low, high) in zip(self.quantiles, self.ranges, strict=True)
        )
        return f"of the quantiles of {self.column}, {'; '.join(parts)}"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
