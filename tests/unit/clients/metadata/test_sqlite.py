# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dataops.clients.metadata.sqlite import Database
from airflow_dataops.core.errors import StorageError

SCHEMA = """CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, of INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED, x BLOB)"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(str(tmp_path / "db"), SCHEMA, "test")
    yield found
    found.close()


def count(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM a").fetchone()[0])


def test_after_a_commit_that_was_refused_the_next_one_goes_on(database: Database) -> None:
    with database.reading() as connection:
        connection.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(StorageError, match="FOREIGN KEY"), database.writing() as connection:
        connection.execute("INSERT INTO a VALUES (1, 99, NULL)")  # looked at when the transaction is to be durable
    with database.writing() as connection:
        connection.execute("INSERT INTO a VALUES (2, 2, NULL)")
    assert count(database) == 1


def test_a_full_volume_is_told_as_such_and_leaves_nothing_half(database: Database) -> None:
    with database.reading() as connection:
        connection.execute("PRAGMA max_page_count = 20")
    rows = [(number, b"x" * 10_000) for number in range(100)]
    with pytest.raises(StorageError, match="full"), database.writing() as connection:
        connection.executemany("INSERT INTO a VALUES (?, NULL, ?)", rows)
    assert count(database) == 0
    with database.writing() as connection:
        connection.execute("INSERT INTO a VALUES (1, NULL, NULL)")
    assert count(database) == 1
