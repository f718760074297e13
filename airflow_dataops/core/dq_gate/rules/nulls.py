# SPDX-License-Identifier: Apache-2.0
"""Rules on missing values. A NaN of a float column is missing, as it is for Great Expectations on pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_dataops.core.dq_gate.registry import rule
from airflow_dataops.core.dq_gate.rule import ColumnRule

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows


@rule("not_null")
class NotNull(ColumnRule):
    """No value is missing. Looks at all rows."""

    example = "{not_null: tailnum}"

    def present(self, rows: Rows) -> exp.Expression | None:  # noqa: ARG002 - every row is looked at
        return None

    def bad(self, rows: Rows) -> exp.Expression:
        return rows.missing(self.column)

    def describe(self) -> str:
        return f"{self.column} is not null"


@rule("is_null")
class Null(ColumnRule):
    """Every value is missing. Looks at all rows."""

    example = "{is_null: cancelled_reason}"

    def present(self, rows: Rows) -> exp.Expression | None:  # noqa: ARG002 - every row is looked at
        return None

    def bad(self, rows: Rows) -> exp.Expression:
        return rows.present(self.column)

    def describe(self) -> str:
        return f"{self.column} is null"
