# SPDX-License-Identifier: Apache-2.0
"""All that the fake knows, in one SQLite file: whatever was answered is there after SIGKILL."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, TypeVar

from tests.services.dataproc_fake.clock import Project
from tests.services.dataproc_fake.records import Answered, Record, plain

_R = TypeVar("_R", bound=Record)


class Store:
    """Documents by table and key; the caller takes care that one thread writes at a time."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # a killed process loses nothing; only a machine would
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS document (kind TEXT, key TEXT, facts TEXT, body BLOB, PRIMARY KEY (kind, key))"
        )

    def save(self, record: Record) -> None:
        """Write a record."""
        self._write(record.table, record.key, record.facts(), record.body.SerializeToString())  # type: ignore[attr-defined]

    def load(self, kind: type[_R]) -> list[_R]:
        """Return all records of a kind."""
        rows = self._db.execute("SELECT facts, body FROM document WHERE kind = ? ORDER BY rowid", (kind.table,))
        return [kind(body=kind.message.FromString(body), **json.loads(facts)) for facts, body in rows]

    def save_project(self, project: Project) -> None:
        """Write a project."""
        self._write("project", project.id, plain(project))

    def projects(self) -> list[Project]:
        """Return all projects."""
        return [Project(**facts) for _, facts in self.plain("project")]

    def save_answer(self, key: str, answered: Answered) -> None:
        """Write what a request id stands for."""
        self._write("request", key, plain(answered))

    def answers(self) -> dict[str, Answered]:
        """Return all request ids that were taken."""
        return {key: Answered(**facts) for key, facts in self.plain("request")}

    def save_plain(self, kind: str, key: str, facts: dict[str, Any]) -> None:
        """Write a JSON document."""
        self._write(kind, key, facts)

    def plain(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Return all JSON documents of a kind, with their keys."""
        rows = self._db.execute("SELECT key, facts FROM document WHERE kind = ? ORDER BY rowid", (kind,))
        return [(key, json.loads(facts)) for key, facts in rows]

    def drop(self, kind: str, key: str) -> None:
        """Remove a document."""
        self._db.execute("DELETE FROM document WHERE kind = ? AND key = ?", (kind, key))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _write(self, kind: str, key: str, facts: dict[str, Any], body: bytes = b"") -> None:
        self._db.execute(
            "INSERT INTO document VALUES (?, ?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET facts = excluded.facts, body = excluded.body",
            (kind, key, json.dumps(facts), body),
        )
