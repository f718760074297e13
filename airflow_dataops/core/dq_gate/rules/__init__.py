# SPDX-License-Identifier: Apache-2.0
"""All rules. Importing this package registers them; a new file is listed here and nowhere else."""

from __future__ import annotations

from airflow_dataops.core.dq_gate.rules import aggregates, condition, nulls, numbers, sets, tables, text, time, unique

__all__ = ["aggregates", "condition", "nulls", "numbers", "sets", "tables", "text", "time", "unique"]
