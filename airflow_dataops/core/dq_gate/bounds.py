# SPDX-License-Identifier: Apache-2.0
"""Two ends, either of which may be open or excluded: the arguments that many rules share."""

from __future__ import annotations

import math
from typing import Any, Self

from pydantic import StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from airflow_dataops.core.model import Model

Scalar = StrictBool | StrictInt | StrictFloat | StrictStr


class Bounds(Model):
    """A range.

    Attributes:
        min: Lower end; None for none.
        max: Upper end; None for none.
        strict_min: The lower end itself is outside.
        strict_max: The upper end itself is outside.
    """

    min: Scalar | None = None
    max: Scalar | None = None
    strict_min: StrictBool = False
    strict_max: StrictBool = False

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        for end in (self.min, self.max):
            if isinstance(end, bool):
                raise ValueError(f"an end is a number, a text or a time, not {end!r}")  # noqa: TRY004 - pydantic wants ValueError
            if isinstance(end, float) and not math.isfinite(end):
                raise ValueError(f"an end cannot be {end!r}; leave it out for no limit")
        if self.min is None or self.max is None:
            return self
        if isinstance(self.min, str) != isinstance(self.max, str):
            raise ValueError(f"min {self.min!r} and max {self.max!r} are not of one type")
        if self.min > self.max:  # type: ignore[operator] # both numbers or both texts, see above
            raise ValueError(f"min {self.min!r} is greater than max {self.max!r}")
        return self

    @property
    def bounded(self) -> bool:
        """True where there is at least one end."""
        return self.min is not None or self.max is not None

    def contains(self, value: Any) -> bool:
        """Return whether a value (not None, of the ends' type) lies in the range."""
        above = self.min is None or (value > self.min if self.strict_min else value >= self.min)
        below = self.max is None or (value < self.max if self.strict_max else value <= self.max)
        return bool(above and below)

    def range_text(self) -> str:
        """Return ``lies between 1 and 5``, ``is at least 1``, ``is less than 5`` and the like."""
        low, high = (as_whole(end) for end in (self.min, self.max))
        if low is None and high is None:
            return "is whatever it is"
        if high is None:
            return f"is {'greater than' if self.strict_min else 'at least'} {low}"
        if low is None:
            return f"is {'less than' if self.strict_max else 'at most'} {high}"
        if low == high:
            return f"is {low}"
        if not self.strict_min and not self.strict_max:
            return f"lies between {low} and {high}"
        return f"is {'greater than' if self.strict_min else 'at least'} {low} and {'less than' if self.strict_max else 'at most'} {high}"


def as_whole(value: Any) -> Any:
    """Return a float without a fraction as an integer: suites store 12 as 12.0, which would keep an engine from skipping files."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def bounds_of_equal(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an expectation ``…_to_equal`` with both ends at its value; those of any other as they are."""
    if not name.endswith("_equal") or "value" not in arguments:
        return arguments
    rest = {key: value for key, value in arguments.items() if key != "value"}
    return {**rest, "min": arguments["value"], "max": arguments["value"]}


def equal_of_bounds(name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return Great Expectations' kwargs with one value for both ends, where ``name`` is ``…_to_equal``: the way back."""
    if not name.endswith("_equal"):
        return kwargs
    rest = {key: value for key, value in kwargs.items() if key not in ("min_value", "max_value")}
    return {**rest, "value": kwargs.get("min_value")}
