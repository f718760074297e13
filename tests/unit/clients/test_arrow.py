# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_dataops.clients import arrow
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql.types import SCALARS

NESTED = ["decimal(18, 2)", "list<integer>", "map<string, bigint>", 'struct<a: integer, "b c": list<timestamptz>>']


@pytest.mark.parametrize("kind", [*SCALARS, *NESTED])
def test_a_type_goes_there_and_back(kind: str) -> None:
    assert arrow.name_of(arrow.type_of(kind)) == kind


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.large_string(), "string"),
        (pa.timestamp("ns"), "timestamp"),
        (pa.timestamp("ms", "Europe/Berlin"), "timestamptz"),
    ],
)
def test_other_spellings_of_arrow(kind: pa.DataType, name: str) -> None:
    assert arrow.name_of(kind) == name


def test_a_type_without_a_name() -> None:
    with pytest.raises(SpecError, match="half"):
        arrow.name_of(pa.float16())


def test_columns_and_schema() -> None:
    columns = {"a": "bigint", "b": "date"}
    assert arrow.columns_of(arrow.schema_of(columns)) == columns
