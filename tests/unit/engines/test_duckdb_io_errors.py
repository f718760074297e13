# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.errors import DataOpsError, InputError
from airflow_dataops.core.tables import Resources
from airflow_dataops.engines import duckdb_parquet
from airflow_dataops.engines.duckdb_session import Session, translated
from airflow_dataops.engines.limits import limits


def said(error: Exception) -> DataOpsError:
    with pytest.raises(DataOpsError) as caught, translated():
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "code", "path", "retryable"),
    [
        (
            duckdb.IOException('Could not write file "/lake/t/x": No space left on device'),
            "DISK_FULL",
            "/lake/t/x",
            True,
        ),
        (
            duckdb.IOException(
                'Async write failed: {"exception_message":"Could not write file \\"/lake/x\\": …","errno":"28"}'
            ),
            "DISK_FULL",
            "/lake/x",
            True,
        ),
        (
            duckdb.IOException('Could not write file "/tmp/dataops-duckdb-1/duckdb_temp_0": No space left on device'),
            "SPILL_FULL",
            "/tmp/dataops-duckdb-1",
            True,
        ),
        (
            duckdb.OutOfMemoryException("failed to offload; set by the 'max_temp_directory_size' setting"),
            "SPILL_FULL",
            "",
            True,
        ),
        (duckdb.OutOfMemoryException("could not allocate block"), "OUT_OF_MEMORY", "", False),
        (
            duckdb.IOException('Cannot open file "/lake/x": No such file or directory'),
            "SOURCE_CHANGED",
            "/lake/x",
            False,
        ),
        (duckdb.IOException('Cannot open file "/lake/x": Permission denied'), "STORAGE_DENIED", "/lake/x", False),
        (duckdb.IOException("the network is down"), "STORAGE", "the network is down", True),
        (
            duckdb.InvalidInputException('Failed to read file "/lake/x.parquet": Snappy decompression failure'),
            "SOURCE_UNREADABLE",
            "/lake/x.parquet",
            False,
        ),
        (duckdb.InvalidInputException("odd value"), "VALUE_REFUSED", "odd value", False),
    ],
)
def test_what_duckdb_says_of_files_has_a_code_the_path_and_a_hint(
    error: Exception, code: str, path: str, retryable: bool
) -> None:
    found = said(error)
    assert (found.code, found.retryable) == (code, retryable)
    assert path in found.message
    assert found.hint


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    made = Session(limits(Resources(spill_dir=str(tmp_path))))
    yield made
    made.close()


def test_a_file_that_is_gone_is_named(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1]}), path)
    session.run(f"CREATE TEMP VIEW v AS SELECT * FROM read_parquet(['{path}'])")
    path.unlink()
    with pytest.raises(DataOpsError, match=str(path)) as caught:
        session.run("SELECT x FROM v")
    assert caught.value.code == "SOURCE_CHANGED"


def test_a_file_that_is_damaged_inside_is_named(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": list(range(5000))}), path)
    data = path.read_bytes()
    path.write_bytes(data[:200] + b"\0" * 4000 + data[4200:])
    with pytest.raises(DataOpsError, match=str(path)) as caught:
        session.run(f"SELECT sum(x) FROM read_parquet('{path}')")
    assert caught.value.code == "SOURCE_UNREADABLE"


@pytest.mark.parametrize("look", [duckdb_parquet.shapes, duckdb_parquet.damaged])
def test_a_file_that_is_taken_away_while_its_kind_is_looked_at_is_no_bad_delivery(
    session: Session, tmp_path: Path, look: Callable[..., Any]
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1]}), path)
    gone = str(tmp_path / "gone.parquet")
    try:
        found: Any = look(session, [str(path), gone])
    except InputError as error:
        found = error
    assert (found.code, found.details) == ("SOURCE_CHANGED", {"file": gone})
