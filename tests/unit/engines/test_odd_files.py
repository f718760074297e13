# SPDX-License-Identifier: Apache-2.0
"""Files of a source that are not what they seem: each is refused by name, none is silently left out or read as something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.tables import SourceSpec
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.engines.files import source_files


def refused(folder: Path) -> InputError:
    with DuckDBEngine() as engine, pytest.raises(InputError) as caught:
        engine.open_source(SourceSpec(path=str(folder)), "v", decoded=f"{folder}-decoded")
    return caught.value


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("target", ["nowhere.parquet", "link.parquet"], ids=["dangling", "loop"])
def test_a_link_that_leads_nowhere_is_no_file_that_may_be_left_out(tmp_path: Path, target: str) -> None:
    write(tmp_path / "a.parquet", x=[1])
    os.symlink(target, tmp_path / "link.parquet")
    with pytest.raises(InputError, match=r"link\.parquet.*leads nowhere"):
        source_files(LocalStorage(), str(tmp_path))


def test_names_that_differ_in_case_only_are_refused_as_in_csv(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", inside=[{"x": 1, "X": 2}], x=[1], X=[2])
    error = refused(tmp_path)
    assert (error.code, error.details["columns"]) == ("SOURCE_SCHEMA", ["x", "X"])
    assert str(path) in error.message


def test_files_that_spell_a_column_in_two_ways_must_agree_on_its_type(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", x=[1])
    write(tmp_path / "b.parquet", X=["text"])
    error = refused(tmp_path)
    assert error.code == "SOURCE_SCHEMA"
    assert "bigint" in error.message
    assert "string" in error.message


def test_a_column_of_the_name_that_duckdb_needs_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", file_row_number=[1])
    assert refused(tmp_path).code == "SOURCE_SCHEMA"


@pytest.mark.parametrize("there", [True, False], ids=["empty folder", "no folder"])
def test_a_missing_delivery_does_not_suggest_its_own_path(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "orders"
    if there:
        folder.mkdir()
    error = refused(folder)
    assert error.code == "SOURCE_MISSING"
    assert error.hint is not None
    assert "did you mean" not in error.hint
