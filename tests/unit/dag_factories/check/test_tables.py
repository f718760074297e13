# SPDX-License-Identifier: Apache-2.0
"""Columns are followed from the source's files through the cleaning to the last rule."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from dag_factories.check.files import check_files

Make = Callable[..., Path]

PIPELINE = """\
version: 1
kind: bronze_to_silver
name: orders
source: {path: "${lake}/bronze/orders", format: parquet}
target: {path: "${lake}/silver/orders"}
full: true
"""


@pytest.fixture
def bronze(tmp_path: Path) -> Path:
    folder = tmp_path / "lake/bronze/orders"
    folder.mkdir(parents=True)
    table = pa.table(
        {"id": pa.array([1], pa.int64()), "mail": ["a"], "amount": [1.5], "at": pa.array([0], pa.timestamp("us"))}
    )
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    return folder


def found(path: Path, *, data: bool = True) -> list[tuple[str, int, int]]:
    return [(finding.code, finding.line, finding.column) for finding in check_files([path], data=data).findings]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("clean: {drop_nulls: [id, nope]}", 26),
        ("clean: {select: [id, nope]}", 22),
        ("clean: {rename: {nope: x}}", 18),
        ("clean: {cast: {nope: integer}}", 16),
        ("clean: {trim: ['*', nope]}", 21),
        ("clean: {fill: {nope: 0}}", 16),
        ("clean: {keep_if: ['nope > 0']}", 19),
        ("clean: {derive: {x: 'amount * nope'}}", 31),
        ("clean: {dedup: {keys: [id], order_by: [-nope]}}", 40),
        ("clean: {select: [id], drop_nulls: [amount]}", 36),
        ("clean: {rename: {id: key}, drop_nulls: [id]}", 41),
        ("columns: {nope: {mask: sha256}}", 11),
        ("quality: {bronze: {rules: [{not_null: nope}]}}", 29),
        ("quality: {silver: {rules: [{not_null: nope}]}}", 29),
    ],
)
def test_an_unknown_column_is_found(line: str, column: int, bronze: Path, make_project: Make) -> None:
    path = make_project(f"{PIPELINE}{line}\n")
    assert found(path) == [("UNKNOWN_COLUMN", 7, column)]
    assert found(path, data=False) == []


@pytest.mark.parametrize(
    "lines",
    [
        "clean: {rename: {id: key}, drop_nulls: [key]}",
        "clean: {derive: {cents: 'amount * 100'}, dedup: {keys: [cents]}}\nquality: {silver: {rules: [{not_null: cents}]}}",
        "clean: {rename: {mail: email}}\ncolumns: {email: {mask: sha256}, mail: {tags: [email]}}",
        "clean: {cast: {amount: bigint}, keep_if: ['amount > 1 and at is not null']}",
    ],
)
def test_a_column_that_is_there_by_then_is_known(lines: str, bronze: Path, make_project: Make) -> None:
    assert found(make_project(f"{PIPELINE}{lines}\n")) == []


def test_a_dropped_column_is_not_there_for_the_silver_gate(bronze: Path, make_project: Make) -> None:
    lines = "columns: {mail: {mask: drop}}\nquality: {silver: {rules: [{not_null: mail}]}}\n"
    assert [code for code, _, _ in found(make_project(PIPELINE + lines))] == ["UNKNOWN_COLUMN"]


def test_a_rule_that_does_not_fit_the_type_is_found(bronze: Path, make_project: Make) -> None:
    lines = "quality: {bronze: {rules: [{between: [mail, 1, 2]}]}}\n"
    assert [code for code, _, _ in found(make_project(PIPELINE + lines))] == ["BAD_ARGUMENT_TYPE"]


def test_a_missing_partition_column_is_found(bronze: Path, make_project: Make) -> None:
    text = PIPELINE.replace('silver/orders"}', 'silver/orders", partition_by: [day]}')
    assert found(make_project(text)) == [("UNKNOWN_COLUMN", 5, 56)]


def test_a_missing_window_column_is_found(bronze: Path, make_project: Make) -> None:
    text = PIPELINE.replace("full: true", 'schedule: "@daily"\nstart_date: 2024-01-01\nwindow: {column: when}')
    assert found(make_project(text)) == [("UNKNOWN_COLUMN", 8, 18)]


def test_hive_folders_are_columns(tmp_path: Path, bronze: Path, make_project: Make) -> None:
    (bronze / "x.parquet").rename(tmp_path / "x")
    (bronze / "day=2024-01-01").mkdir()
    (tmp_path / "x").rename(bronze / "day=2024-01-01/x.parquet")
    assert found(make_project(PIPELINE + "clean: {drop_nulls: [day, id]}\n")) == []
    assert len(found(make_project(PIPELINE + "clean: {drop_nulls: [dai]}\n"))) == 1


def test_run_references_in_the_path_match_what_is_there(tmp_path: Path, bronze: Path, make_project: Make) -> None:
    text = PIPELINE.replace("bronze/orders", "bronze/${run.pipeline}").replace("full: true\n", "")
    assert found(make_project(text + "clean: {drop_nulls: [nope]}\n")) == [("UNKNOWN_COLUMN", 6, 22)]


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_the_header_of_a_csv_file_is_read(ending: str, tmp_path: Path, make_project: Make) -> None:
    folder = tmp_path / "lake/bronze/orders"
    folder.mkdir(parents=True)
    opened = gzip.open if ending.endswith("gz") else open
    with opened(folder / f"x.{ending}", "wt", encoding="utf-8") as stream:  # type: ignore[operator]
        stream.write('\ufeffid;"the; name"\n1;a\n')
    text = PIPELINE.replace("format: parquet", "format: csv, csv: {delimiter: ';'}")
    assert found(make_project(text + "clean: {drop_nulls: [id, 'the; name']}\n")) == []
    assert found(make_project(text + "clean: {drop_nulls: [name]}\n")) == [("UNKNOWN_COLUMN", 7, 22)]


@pytest.mark.parametrize("content", [b"", b"not parquet", b"PAR1" * 5])
def test_a_source_that_cannot_be_read_is_not_the_files_fault(content: bytes, bronze: Path, make_project: Make) -> None:
    (bronze / "x.parquet").write_bytes(content)
    assert found(make_project(PIPELINE + "clean: {drop_nulls: [nope]}\n")) == []


def test_declared_columns_of_text_and_json_are_known(make_project: Make) -> None:
    text = PIPELINE.replace("format: parquet", "format: text, pattern: '(?P<ip>\\S+) (?P<verb>\\w+)'")
    assert found(make_project(text + "clean: {drop_nulls: [ip, url]}\n")) == [("UNKNOWN_COLUMN", 7, 26)]
    text = PIPELINE.replace("format: parquet", "format: jsonl, flatten: {city: user.city}")
    assert found(make_project(text + "clean: {drop_nulls: [city, town]}\n")) == [("UNKNOWN_COLUMN", 7, 28)]
