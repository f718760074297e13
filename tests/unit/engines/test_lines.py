# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.tables import CsvOptions, SourceSpec
from airflow_dataops.engines import lines
from airflow_dataops.engines.duckdb import DuckDBEngine

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FIELD = st.text(alphabet=st.sampled_from(['"', ",", "\n", "a", "é", " ", ";"]), max_size=6)


def read(path: Path, content: bytes, block: int, quote: str = "") -> list[tuple[int, bytes]]:
    path.write_bytes(content)
    with patch.object(lines, "_BLOCK", block):
        found = [row for batch in lines.batches(LocalStorage(), str(path), quote=quote) for row in batch.to_pylist()]
    return [(row["line_number"], row["line"]) for row in found]


@QUICK
@given(st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"")), min_size=1), st.integers(1, 30))
def test_lines_do_not_depend_on_the_blocks(tmp_path: Path, content: list[bytes], block: int) -> None:
    whole = b"\n".join(content)
    assume(not whole.startswith(b"\xef\xbb\xbf"))
    text = whole.removesuffix(b"\n")
    expected = list(enumerate(text.split(b"\n"))) if whole else []
    assert read(tmp_path / "file", whole, block) == expected


@QUICK
@given(st.lists(st.lists(FIELD, min_size=3, max_size=3), min_size=1, max_size=8), st.integers(8, 40))
def test_records_do_not_depend_on_the_blocks(tmp_path: Path, rows: list[list[str]], block: int) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    found = read(tmp_path / "file", out.getvalue().encode(), block, quote='"')
    assert [next(csv.reader(io.StringIO(record.decode(), newline=""))) for _, record in found] == rows


@settings(QUICK, max_examples=25)
@given(st.lists(st.lists(FIELD, min_size=2, max_size=2), min_size=1, max_size=6))
def test_what_a_csv_writer_writes_is_read_back(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "file.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows([["a", "b"], *rows])
    source = SourceSpec(path=str(path), format="csv", csv=CsvOptions(null_values=[]))
    with DuckDBEngine() as engine:
        info = engine.open_source(source, "v", decoded=str(tmp_path / "decoded"))
        found = engine.rows(exp.select("a", "b").from_("v").order_by("_dataops_source_row"))
    assert info.rejected == 0
    assert [[row["a"], row["b"]] for row in found] == rows


def test_a_line_without_end_is_no_text_file(tmp_path: Path) -> None:
    with patch.object(lines, "_LONGEST_LINE", 100), pytest.raises(InputError, match="longer than"):
        read(tmp_path / "file", b"x" * 500, 50)


def test_an_open_quote_gives_up_one_line(tmp_path: Path) -> None:
    with patch.object(lines, "_LONGEST_RECORD", 20):
        found = read(tmp_path / "file", b'a\n"open\n' + b"b\n" * 50, 16, quote='"')
    assert found[:3] == [(0, b"a"), (1, b'"open'), (2, b"b")]
    assert len(found) == 52
