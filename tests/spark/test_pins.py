# SPDX-License-Identifier: Apache-2.0
"""Each difference between the engines that is pinned, asked of Spark itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from airflow_dataops.core.sql.dialects import SETTINGS, pin, render
from tests.unit.core.sql.pins import ROWS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")


@pytest.mark.parametrize("name", ROWS)
def test_spark_answers_what_duckdb_answers(spark: SparkSession, name: str) -> None:
    arguments, expected, _ = ROWS[name]
    session = spark.newSession()
    for setting, value in SETTINGS["spark"].items():
        session.conf.set(setting, value)
    query = f"SELECT {render(pin(name, *arguments), 'spark')} AS answer"
    if expected is duckdb.Error:
        with pytest.raises(Exception, match="stop"):
            session.sql(query).collect()
        return
    answer: Any = session.sql(query).collect()[0]["answer"]
    plain = bytes(answer) if isinstance(answer, bytearray) else answer
    assert (str(plain) if name in ("date_trunc", "text_timestamp") else plain) == expected
