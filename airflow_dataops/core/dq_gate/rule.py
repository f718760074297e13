# SPDX-License-Identifier: Apache-2.0
"""What every rule is: typed arguments, its two names, its part of the query, and its judgement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr

from airflow_dataops.core.dq_gate.words import Severity
from airflow_dataops.core.model import Model

if TYPE_CHECKING:
    from datetime import datetime

    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows

Number = StrictInt | StrictFloat
ConditionParser = Literal["sql", "spark", "pandas", "great_expectations", "great_expectations__experimental__"]
IgnoreRow = Literal["all_values_are_missing", "any_value_is_missing", "never"]


@dataclass(frozen=True)
class Context:
    """What a judgement may need beside the counted values.

    Attributes:
        columns: Column -> canonical type of the table.
        run_time: End of the run's data interval, UTC; None where the run has none.
    """

    columns: Mapping[str, str]
    run_time: datetime | None = None


@dataclass(frozen=True)
class Finding:
    """What a table rule concludes: whether it holds, what it saw (JSON-safe), and the second half of its message."""

    passed: bool
    observed: Any
    found: str


class Rule(Model):
    """One rule of a suite. A subclass declares its arguments as fields.

    Attributes:
        kind: Name in the short form.
        gx: Names of the Great Expectations' expectations that it stands for.
        gx_names: Great Expectations' argument -> field, where they differ.
        positional: Fields that the list form fills, in order; a last one that starts with ``*`` takes the rest.
        example: The short form as an author types it.
        needs_run_time: Whether it compares with the end of the run's data interval.
        id: The author's name for it, unique in the suite.
        severity: ``critical`` fails or quarantines, ``warning`` warns, ``info`` is only recorded.
        row_condition: Only rows for which this holds are looked at: an SQL boolean expression, or what a suite carries.
        condition_parser: Language of ``row_condition``.
        description: The author's words.
    """

    kind: ClassVar[str] = ""
    gx: ClassVar[tuple[str, ...]] = ()
    gx_names: ClassVar[Mapping[str, str]] = {}
    positional: ClassVar[tuple[str, ...]] = ("column",)
    example: ClassVar[str] = ""
    needs_run_time: ClassVar[bool] = False

    id: str = Field(default="", max_length=200)
    severity: Severity = "critical"
    row_condition: str | dict[str, Any] | None = None
    condition_parser: ConditionParser = "sql"
    description: str | None = None
    gx_type: str | None = Field(default=None, exclude=True)

    @classmethod
    def from_gx(cls, name: str, kwargs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG003 - some rules stand for two names
        """Return this rule's arguments for the expectation ``name`` with ``kwargs``."""
        return {cls.gx_names.get(key, key): value for key, value in kwargs.items()}

    @classmethod
    def to_gx(cls, name: str, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG003 - see from_gx
        """Return Great Expectations' kwargs for this rule's arguments: the way back of :meth:`from_gx`."""
        back = {ours: theirs for theirs, ours in cls.gx_names.items()}
        return {back.get(key, key): value for key, value in arguments.items()}

    def reads(self) -> list[str]:
        """Return the columns that must exist for the rule to be evaluated, without those of ``row_condition``."""
        return []

    def about(self) -> list[str]:
        """Return what stands in the rule's id between the brackets."""
        return self.reads()

    def type_faults(self, columns: Mapping[str, str]) -> Iterator[str]:  # noqa: ARG002 - most rules fit every type
        """Yield why the rule cannot be evaluated on columns of these types; all of :meth:`reads` are known."""
        yield from ()

    def describe(self) -> str:
        """Return what is expected, in a few words: ``distance lies between 1 and 6000``."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that the author set, JSON-safe, in the order of the list form, without those every rule has."""
        given = self.model_dump(mode="json", exclude_unset=True, exclude={"id", "severity", "description", "gx_type"})
        first = [name for field in self.positional if (name := field.removeprefix("*")) in given]
        return {name: given[name] for name in dict.fromkeys([*first, *given])}


class RowRule(Rule):
    """A rule that each single row keeps or breaks, so that the rows that break it can be put aside.

    Attributes:
        mostly: Share of the evaluated rows, 0..1, that is enough; None is 1, and does not stop a gate that quarantines.
    """

    mostly: float | None = Field(default=None, ge=0.0, le=1.0)

    def present(self, rows: Rows) -> exp.Expression | None:
        """Return which rows are evaluated; None for all. The others count as missing, and hold."""
        return rows.all_present(self.reads())

    def bad(self, rows: Rows) -> exp.Expression:
        """Return the condition that is true exactly for the rows that break the rule (null is not true).

        A :class:`KeyRule` has none: it is judged from its groups.
        """
        raise NotImplementedError


class ColumnRule(RowRule):
    """A row rule on one column."""

    column: StrictStr = Field(min_length=1)

    def reads(self) -> list[str]:
        return [self.column]


class KeyRule(RowRule):
    """A row rule for which rows of equal key break it together; judged from one group-by a key, never from a window."""

    def key(self) -> list[str]:
        """Return the columns of the key."""
        return self.reads()


class TableRule(Rule):
    """A rule on the table as a whole: it holds or not, and no single row breaks it."""

    def aggregates(self, rows: Rows) -> dict[str, exp.Expression]:  # noqa: ARG002 - a rule on the schema needs none
        """Return name -> aggregate over the rows; ``row_condition`` is applied by the plan."""
        return {}

    def distinct(self) -> str | None:
        """Return the column whose distinct values are counted as ``distinct``; None where they are not needed."""
        return None

    def judge(self, seen: Mapping[str, Any], context: Context) -> Finding:
        """Return the conclusion from the values of :meth:`aggregates`."""
        raise NotImplementedError
