# SPDX-License-Identifier: Apache-2.0
"""The rule for what no other rule says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import StrictStr

from airflow_dataops.core.dq_gate.registry import rule
from airflow_dataops.core.dq_gate.rule import RowRule

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.core.dq_gate.rows import Rows


@rule("condition")
class Condition(RowRule):
    """An SQL boolean expression holds in each row. Rows where it is null count as missing, and hold."""

    example = "{condition: 'arr_time > dep_time or arr_delay > 600'}"
    positional = ("expression",)

    expression: StrictStr

    def about(self) -> list[str]:
        return [self.expression]

    def present(self, rows: Rows) -> exp.Expression | None:
        return rows.is_present(rows.condition(self.expression))

    def bad(self, rows: Rows) -> exp.Expression:
        return rows.condition(self.expression).not_()

    def describe(self) -> str:
        return self.expression
