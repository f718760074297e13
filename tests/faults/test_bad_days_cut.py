# SPDX-License-Identifier: Apache-2.0
"""Files that are cut off or damaged at any byte: an error that names the file, or exactly the rows that are whole and the others put aside."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.tables import SOURCE_ROW, SourceSpec
from airflow_dataops.engines.duckdb import DuckDBEngine
from tests.faults.bad_day import orders

pytestmark = pytest.mark.integration
ROWS = [(number, f"näme {number}") for number in range(40)]
CSV = ("id,name\n" + "".join(f'{number},"{name}"\n' for number, name in ROWS)).encode()
JSONL = "".join(json.dumps({"id": number, "name": name}, ensure_ascii=False) + "\n" for number, name in ROWS).encode()
TYPES = {"id": "bigint"}
MANY = settings(max_examples=40, deadline=None)


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(orders(count=300), buffer, row_group_size=100)
    return buffer.getvalue()


PARQUET = parquet()


def read(name: str, data: bytes, kind: str) -> tuple[list[tuple[object, ...]], int] | InputError:
    """Return what the engine makes of a file: the rows, and how many lines it put aside; or its error."""
    with TemporaryDirectory() as folder, DuckDBEngine() as engine:
        path = Path(folder, "data", name)
        path.parent.mkdir()
        path.write_bytes(data)
        source = SourceSpec.model_validate(
            {"path": str(path.parent), "format": kind, "types": {} if kind == "parquet" else TYPES}
        )
        try:
            info = engine.open_source(source, "v", decoded=f"{folder}/decoded")
            found = engine.rows(exp.select("*").from_("v").order_by(SOURCE_ROW))
        except InputError as caught:
            error = caught
        else:
            return [tuple(row.values())[:-2] for row in found], info.rejected
    assert name in error.message, error
    assert error.hint, error
    return error


@MANY
@given(st.integers(0, len(PARQUET) - 1))
def test_parquet_that_is_cut_off_is_never_read(cut: int) -> None:
    found = read("a.parquet", PARQUET[:cut], "parquet")
    assert isinstance(found, InputError)
    assert found.code == "SOURCE_UNREADABLE"


@MANY
@given(st.integers(4, len(PARQUET) - 9), st.integers(1, 400))
@example(5488, 208)
def test_parquet_that_lost_bytes_inside_gives_an_error_or_all_its_rows(at: int, lost: int) -> None:
    found = read("a.parquet", PARQUET[:at] + PARQUET[at + lost : -8] + PARQUET[-8:], "parquet")
    if isinstance(found, InputError):
        assert found.code in {"SOURCE_UNREADABLE", "SOURCE_SCHEMA", "VALUE_REFUSED"}, found
        return
    assert len(found[0]) == 300


@pytest.mark.parametrize(("kind", "whole", "more"), [("csv", CSV, 1), ("jsonl", JSONL, 0)])
def test_text_that_is_cut_off_keeps_its_whole_lines_and_counts_the_others(kind: str, whole: bytes, more: int) -> None:
    @MANY
    @given(st.integers(0, len(whole)))
    def check(cut: int) -> None:
        data = whole[:cut]
        found = read(f"a.{kind}", data, kind)
        lines = [line for line in data.split(b"\n")[more:] if line]
        if isinstance(found, InputError):
            assert found.code == "SOURCE_UNREADABLE"
            assert data.count(b"\n") <= more, "a file with a whole line is not refused"
            return
        rows, rejected = found
        assert len(rows) + rejected == len(lines)
        full = max(data.count(b"\n") - more, 0)
        assert rows[:full] == (ROWS[:full] if full else [])

    check()


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_packed_text_that_is_cut_off_is_never_read(ending: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(CSV)

    @MANY
    @given(st.integers(0, len(packed) - 1))
    def check(cut: int) -> None:
        found = read(f"a.csv.{ending}", packed[:cut], "csv")
        assert isinstance(found, InputError)
        assert found.code == "SOURCE_UNREADABLE"

    check()
