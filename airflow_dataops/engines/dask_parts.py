# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""The parts of a scan: whole files together, or row groups of a large one, always in the scan's order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from airflow_dataops.engines.duckdb_scan import Part, Scan
from airflow_dataops.engines.duckdb_session import Session, text

# A task costs some milliseconds, and a part has to fit into a worker's memory where rows are kept.
_LEAST, _MOST = 4 * 2**20, 128 * 2**20
_PER_THREAD = 3


def parts_of(
    session: Session, scan: Scan, sizes: Mapping[str, int], threads: int, part_bytes: int | None = None
) -> list[Part]:
    """Return the parts of a scan; at least one.

    Args:
        session: Connection, for the footers of large files.
        scan: The scan.
        sizes: File -> bytes.
        threads: Tasks that run at once.
        part_bytes: Size of a part; three for each thread, of 4 to 128 MiB, when None.
    """
    if scan.place is None:
        return [Part(scan.files)]
    wanted = part_bytes or min(max(sum(sizes.values()) // (threads * _PER_THREAD), _LEAST), _MOST)
    made: list[Part] = []
    together: list[str] = []
    held = 0
    for path in scan.files:
        size = sizes.get(path, 0)
        if together and held + size > wanted:
            made.append(Part(tuple(together)))
            together, held = [], 0
        if size > 1.5 * wanted:
            made += _cut(session, path, size, wanted)
            continue
        together.append(path)
        held += size
    if together:
        made.append(Part(tuple(together)))
    return made or [Part(scan.files)]


def _cut(session: Session, path: str, size: int, wanted: int) -> Iterator[Part]:
    """Cut a file between row groups."""
    groups = session.run(
        f"SELECT row_group_id, any_value(row_group_num_rows) FROM parquet_metadata({text(path)}) GROUP BY 1 ORDER BY 1"
    )
    rows = sum(int(group[1]) for group in groups)
    if len(groups) < 2 or not rows:
        yield Part((path,))
        return
    most = max(rows * wanted // size, 1)
    first = last = 0
    for _, count in groups:
        if last > first and last + count - first > most:
            yield Part((path,), (first, last - 1))
            first = last
        last += count
    yield Part((path,), (first, last - 1))
