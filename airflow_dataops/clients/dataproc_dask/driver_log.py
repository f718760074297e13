# SPDX-License-Identifier: Apache-2.0
"""The driver's output, read from the bucket in the order in which it was written."""

from __future__ import annotations

import json

from pydantic import ValidationError

from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import CloudError, off_loop
from airflow_dataops.core.dataproc_dask.driver_log import LogCursor, next_read, part_of, part_uri, rest, told

MOST_READS = 4
_PATIENCE = 3
_NO_BUCKET = frozenset({"NOT_FOUND"})


class DriverLog:
    """Tells each line of a driver's output once.

    With a ``store_uri``, how far it was told is kept there, so that a restarted process goes on behind it. The mark for the lines of one
    call is written by the next call, when the caller has surely told them: a process that dies between the two makes its successor
    repeat those lines (at most 4 MiB, one batch), and none is ever lost.

    Args:
        gcs: Buckets.
        cursor: How far it has been told.
        store_uri: Object for the mark; None keeps none.

    Attributes:
        cursor: How far it has been told.
        troubled: The last look could not read all that is there; the next one goes on from the same place.
    """

    def __init__(self, gcs: Gcs, cursor: LogCursor = LogCursor(), *, store_uri: str | None = None) -> None:  # noqa: B008  a frozen model
        self.cursor = cursor
        self.troubled = False
        self._gcs = gcs
        self._store_uri = store_uri
        self._stored: LogCursor | None = None  # what the mark says, as far as we know
        self._loaded = store_uri is None
        self._failures = 0
        self._quiet: str = ""

    async def lines(self, log_uri: str, *, ended: bool) -> list[str]:
        """Return the next lines; empty where there are no new ones. It never raises: trouble is a line of its own, told once.

        Args:
            log_uri: The job's ``driver_output_resource_uri``.
            ended: The job has ended. Call again until nothing is returned, and later again where it is ``troubled``.
        """
        self.troubled = False
        try:
            return await off_loop(self._lines, log_uri, ended)
        except CloudError as error:
            return self._trouble(error)

    async def store(self) -> None:
        """Write the mark for the lines of the last call now, and not with the next one: their caller has told them."""
        await off_loop(self._keep)

    def _lines(self, log_uri: str, ended: bool) -> list[str]:
        self._load()
        self._keep()
        found: list[str] = []
        sizes = self._sizes(log_uri)
        cursor = self.cursor
        try:
            for _ in range(MOST_READS):
                read, cursor = next_read(cursor, sizes, ended=ended)
                self.cursor = cursor
                if read is None:
                    found += self._last() if ended else []
                    break
                data = self._gcs.read(part_uri(log_uri, read.part), start=read.start, size=read.size)
                if not data:  # it shrank, or was replaced by a smaller one; the next look sees what is there
                    break
                lines, cursor = told(cursor, read, data)
                found += lines
                self.cursor = cursor
        except CloudError as error:
            if error.code != "NOT_FOUND":
                found += self._trouble(error)
            return found
        self._quiet = ""
        return found

    def _sizes(self, log_uri: str) -> dict[int, int]:
        listed = self._gcs.sizes(f"{log_uri}.")
        parts = {part_of(log_uri, uri): size for uri, size in listed.items()}
        return {part: size for part, size in parts.items() if part is not None}

    def _last(self) -> list[str]:
        lines = rest(self.cursor)
        self.cursor = self.cursor.model_copy(update={"tail": ""})
        return lines

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

    def _trouble(self, error: CloudError) -> list[str]:
        self.troubled = True
        if error.code == self._quiet:
            return []
        self._quiet = error.code
        return [f"(the driver's output cannot be read for now: {error.code}: {error.message})"]


__all__ = ["DriverLog"]
