# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""A scan of Parquet files as data: of all of them, or of some rows of some, which then look the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_dataops.engines.duckdb_session import ident, pairs, texts


@dataclass(frozen=True)
class Part:
    """Some of the rows of a scan.

    Attributes:
        files: Files, in the scan's order; none for no row.
        rows: First and last row of the one file; None for all rows of the files.
    """

    files: tuple[str, ...]
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Scan:
    """How files are read.

    Attributes:
        files: All files.
        shapes: One file of each different schema: without them a part would lack columns.
        items: Select list.
        options: Options of ``read_parquet``.
        place: Columns of the relation that hold file and row; None where nothing but the files' own columns tells, so that rows
            cannot be told apart before they are read.
        hive: Hive column -> DuckDB's type; in a part it could be guessed from fewer values.
        where: Test that a row belongs to it; empty for all.
        join: What stands beside each file, as the end of a FROM; empty for nothing.
        beside: File -> column -> text (or null) that holds for all of its rows, where no folder says it: ``join`` as data.
    """

    files: tuple[str, ...]
    shapes: tuple[str, ...]
    items: str
    options: tuple[str, ...]
    place: tuple[str, str] | None
    hive: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    join: str = ""
    beside: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    def query(self, part: Part | None = None) -> str:
        """Return the query of the whole, or of a part."""
        files, tests = self.files, [self.where] if self.where else []
        options = [*self.options, *([f"hive_types = {pairs(self.hive)}"] if self.hive else [])]
        if part is not None:
            files = part.files or self.files[:1]
            if len(self.shapes) > 1:
                files = tuple(dict.fromkeys((*files, *self.shapes)))
            tests += self._within(part, cut=files != part.files)
        where = f" WHERE {' AND '.join(tests)}" if tests else ""
        return f"SELECT {self.items} FROM read_parquet({texts(files)}, {', '.join(options)}){self.join}{where}"

    def _within(self, part: Part, *, cut: bool) -> list[str]:
        if not part.files:
            return ["false"]
        if self.place is None:
            return []
        file, row = map(ident, self.place)
        tests = [f"{file} IN ({texts(part.files)[1:-1]})"] if cut else []
        if part.rows is not None:
            tests.append(f"{row} BETWEEN {part.rows[0]} AND {part.rows[1]}")
        return tests
