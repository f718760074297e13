# SPDX-License-Identifier: Apache-2.0
"""The driver's output, read from the bucket in the order in which it was written."""

from __future__ import annotations

import json

from pydantic import ValidationError

from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import CloudError, off_loop
from airflow_dataops.core.dataproc_dask.driver_log import LogCursor, next_read, part_of, part_uri, pieces, rest
from airflow_dataops.core.pacing import Piece

MOST_READS = 4
_PATIENCE = 3
_NO_BUCKET = frozenset({"NOT_FOUND"})


class DriverLog:
    """Tells each line of a driver's output once.

    It is read in pieces; who has told one moves ``cursor`` behind it. With a ``store_uri``, how far it was told is kept there, so that a
    restarted process goes on behind it. The mark is written by the next call: a process that dies before makes its successor repeat what
    was told since (at most 4 MiB, one batch), and nothing is ever lost.

    Args:
        gcs: Buckets.
        cursor: How far it has been told.
        store_uri: Object for the mark; None keeps none.

    Attributes:
        cursor: How far it has been told.
        troubled: The last look could not read all that is there; the next one goes on from the same place.
        missing: At the last look there was no output.
    """

    def __init__(self, gcs: Gcs, cursor: LogCursor = LogCursor(), *, store_uri: str | None = None) -> None:  # noqa: B008  a frozen model
        self.cursor = cursor
        self.troubled = self.missing = False
        self._gcs = gcs
        self._store_uri = store_uri
        self._stored: LogCursor | None = None  # what the mark says, as far as we know
        self._loaded = store_uri is None
        self._failures = 0
        self._quiet: str = ""

    async def pieces(self, log_uri: str, *, ended: bool) -> list[Piece[LogCursor]]:
        """Return the next lines; none where there are no new ones. It never raises: trouble is a line of its own, told once.

        Args:
            log_uri: The job's ``driver_output_resource_uri``.
            ended: The job has ended. Call again until no line is returned, and later again where it is ``troubled``.
        """
        self.troubled = False
        try:
            return await off_loop(self._pieces, log_uri, ended)
        except CloudError as error:
            return [Piece(self._trouble(error), self.cursor)]

    async def store(self) -> None:
        """Write the mark now, and not with the next call."""
        await off_loop(self._keep)

    def _pieces(self, log_uri: str, ended: bool) -> list[Piece[LogCursor]]:
        self._load()
        self._keep()
        found: list[Piece[LogCursor]] = []
        sizes = self._sizes(log_uri)
        self.missing = not sizes
        cursor = self.cursor
        try:
            for _ in range(MOST_READS):
                read, cursor = next_read(cursor, sizes, ended=ended)
                if read is None:
                    found.append(_last(cursor) if ended else Piece((), cursor))
                    break
                data = self._gcs.read(part_uri(log_uri, read.part), start=read.start, size=read.size)
                if not data:  # it shrank, or was replaced by a smaller one; the next look sees what is there
                    found.append(Piece((), cursor))
                    break
                found += pieces(cursor, read, data)
                cursor = found[-1].cursor
        except CloudError as error:
            return [*found, Piece(() if error.code == "NOT_FOUND" else self._trouble(error), cursor)]
        self._quiet = ""
        return found

    def _sizes(self, log_uri: str) -> dict[int, int]:
        listed = self._gcs.sizes(f"{log_uri}.")
        parts = {part_of(log_uri, uri): size for uri, size in listed.items()}
        return {part: size for part, size in parts.items() if part is not None}

    def _load(self) -> None:
        """Take over the mark of an earlier process; where it cannot be read, look a few times before all is told from the beginning."""
        if self._loaded or self._store_uri is None:
            return
        try:
            kept = LogCursor.model_validate(json.loads(self._gcs.read(self._store_uri)))
        except CloudError as error:
            self._failures += 1
            if error.code not in _NO_BUCKET and self._failures <= _PATIENCE:
                raise
        except (ValueError, ValidationError):
            pass  # a mark that nobody can read is none
        else:
            self._stored = kept
            if (kept.part, kept.offset) > (self.cursor.part, self.cursor.offset):
                self.cursor = kept
        self._loaded = True

    def _keep(self) -> None:
        if self._store_uri is None or self.cursor in (self._stored, LogCursor()):
            return
        cursor = self.cursor
        try:
            self._gcs.write(self._store_uri, cursor.model_dump_json().encode(), content_type="application/json")
        except CloudError:
            return  # the next call tries again
        self._stored = cursor

    def _trouble(self, error: CloudError) -> tuple[str, ...]:
        self.troubled = True
        if error.code == self._quiet:
            return ()
        self._quiet = error.code
        return (f"(the driver's output cannot be read for now: {error.code}: {error.message})",)


def _last(cursor: LogCursor) -> Piece[LogCursor]:
    return Piece(tuple(rest(cursor)), cursor.model_copy(update={"tail": ""}))


__all__ = ["DriverLog"]
