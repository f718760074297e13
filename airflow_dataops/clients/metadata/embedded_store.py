# SPDX-License-Identifier: Apache-2.0
"""A store in a file, with the promises of the Mongo one: the newest event of each key, whatever the order and however often it comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_dataops.clients.metadata.sqlite import Database
from airflow_dataops.core.metadata.upsert import Stored

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY, ord TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID"
)
# `ord` is compared as Python compares texts: UTF-8 in bytes sorts as code points do.
_UPSERT = """
INSERT INTO documents (key, ord, body) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET ord = excluded.ord, body = excluded.body WHERE documents.ord < excluded.ord
"""
_PAGE = 1000
_MOST_VALUES = 500  # of one statement


class EmbeddedStore:
    """See :class:`~airflow_dataops.clients.metadata.ports.Store`.

    Args:
        file: The file, absolute; made where it is not there. Its table ``documents`` is SQLite's: ``SELECT body FROM documents``.
    """

    def __init__(self, file: str) -> None:
        self._database = Database(file, _SCHEMA, "metadata store")

    def prepare(self) -> None:
        """See :class:`Store`."""

    def upsert(self, events: Sequence[Stored]) -> int:
        """See :class:`Store`."""
        with self._database.writing() as connection:
            before = connection.total_changes
            rows = [(event.key, event.order, event.body.decode()) for event in events]
            connection.executemany(_UPSERT, rows)
            return connection.total_changes - before

    def orders(self) -> Iterator[tuple[str, str]]:
        """See :class:`Store`."""
        key, found = None, [("", "")]
        while found:
            after = "" if key is None else "WHERE key > ?"
            given = () if key is None else (key,)
            with self._database.reading() as connection:
                query = f"SELECT key, ord FROM documents {after} ORDER BY key LIMIT {_PAGE}"  # noqa: S608  # no value in it
                found = connection.execute(query, given).fetchall()
            yield from found
            key = found[-1][0] if found else key

    def get(self, keys: Sequence[str]) -> dict[str, Stored]:
        """See :class:`Store`."""
        found: dict[str, Stored] = {}
        for first in range(0, len(keys), _MOST_VALUES):
            part = keys[first : first + _MOST_VALUES]
            marks = ", ".join("?" * len(part))
            with self._database.reading() as connection:
                query = f"SELECT key, ord, body FROM documents WHERE key IN ({marks})"  # noqa: S608  # marks only
                rows = connection.execute(query, part).fetchall()
            found.update({key: Stored(key, order, body.encode()) for key, order, body in rows})
        return found

    def remove(self, key: str, order: str) -> bool:
        """See :class:`Store`."""
        with self._database.writing() as connection:
            done = connection.execute("DELETE FROM documents WHERE key = ? AND ord = ?", (key, order))
            return done.rowcount > 0

    def findings(self) -> list[str]:
        """See :class:`Store`."""
        return []

    def close(self) -> None:
        """See :class:`Store`."""
        self._database.close()


__all__ = ["EmbeddedStore"]
