# SPDX-License-Identifier: Apache-2.0
"""A small result of Spark as Python's own values, the same that DuckDB gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from airflow_dataops.engines.spark_types import as_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def fetch(frame: DataFrame, columns: Mapping[str, str], whole: set[str]) -> list[dict[str, Any]]:
    """Return the rows of a query.

    Args:
        frame: The query.
        columns: Column -> canonical type that it has on DuckDB.
        whole: Columns that DuckDB gives as Python's integers, though their canonical type is a decimal.
    """
    import pyarrow as pa

    typed = as_columns(frame, columns)
    batches = cast(Any, typed)._collect_as_arrow()
    rows: list[dict[str, Any]] = pa.Table.from_batches(batches).to_pylist() if batches else []
    for row in rows:
        for name in whole:
            row[name] = None if row[name] is None else int(row[name])
    return rows
