# SPDX-License-Identifier: Apache-2.0
"""How the embedded log and the embedded store open their files: whole after a kill, and for several processes at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_dataops.core.errors import StorageError

_WAIT = 60.0  # seconds for another process's write
_VERSION = 1


class Database:
    """A file of SQLite.

    Args:
        file: The file, absolute; its folder is made where it is not there.
        schema: Statements that make what is not there yet.
        kind: What is kept in it; a file of another kind is refused.

    Raises:
        StorageError: It cannot be opened, or holds something else (``EMBEDDED_FILE``).
    """

    def __init__(self, file: str, schema: str, kind: str) -> None:
        self._file, self._lock = file, threading.RLock()
        try:
            if os.path.dirname(file):
                os.makedirs(os.path.dirname(file), exist_ok=True)
            self._connection = sqlite3.connect(file, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error
        with self.writing() as connection:
            self._prepare(connection, schema, kind)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection in a transaction that is durable when the block ends, and taken back when it raises.

        Raises:
            StorageError: The file is no database, its volume is full, or another process does not end its own (``EMBEDDED_FILE``).
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")  # a full disk refuses that, too
                except BaseException:
                    if self._connection.in_transaction:  # of some errors SQLite takes it back itself
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._error(error) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for statements that only read.

        Raises:
            StorageError: As :meth:`writing`.
        """
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise self._error(error) from error

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _prepare(self, connection: sqlite3.Connection, schema: str, kind: str) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS dataops (kind TEXT NOT NULL, version INTEGER NOT NULL)")
        found = connection.execute("SELECT kind, version FROM dataops").fetchone()
        if found is None:
            connection.execute("INSERT INTO dataops VALUES (?, ?)", (kind, _VERSION))
        elif found != (kind, _VERSION):
            raise StorageError(
                f"{self._file} holds {found[0]!r} of version {found[1]}, not {kind!r} of version {_VERSION}",
                hint="name another file",
                code="EMBEDDED_FILE",
            )
        for statement in schema.split(";"):
            connection.execute(statement)

    def _error(self, error: Exception) -> StorageError:
        hint = "look at the file's folder: free space, rights, and whether another program has it open"
        return StorageError(f"{self._file}: {error}", hint=hint, code="EMBEDDED_FILE")


__all__ = ["Database"]
