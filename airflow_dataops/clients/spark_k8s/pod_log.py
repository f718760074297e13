# SPDX-License-Identifier: Apache-2.0
"""A pod's log, each line told once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from airflow_dataops.clients.google import off_loop
from airflow_dataops.clients.spark_k8s.convert import log_source
from airflow_dataops.clients.spark_k8s.wire import StreamError
from airflow_dataops.core.machine import CallError, Gone
from airflow_dataops.core.pacing import Piece
from airflow_dataops.core.spark_k8s.log_cursor import GAP, LOST, LogCursor, LogRead, LogSource, reads, tell
from airflow_dataops.core.spark_k8s.observation import DRIVER_CONTAINER

if TYPE_CHECKING:
    from airflow_dataops.clients.spark_k8s.client import SparkKubeClient

LARGEST_READ = 4 << 20
_LARGE = 64 << 10  # what is longer takes milliseconds to read, and hundreds of triggers share an event loop
_MOST_CHECKS = 3
_NO_LOG = frozenset({"NOT_FOUND", "BAD_REQUEST"})  # no pod, no container, none started, or none before


class PodLog:
    """Tells each line of a pod's log once. It never raises for what the cluster does: trouble is a line of its own, told once.

    It is read in pieces; who has told one moves ``cursor`` behind it, and keeps that, so that a restarted process goes on from there.

    A node keeps 10 MiB of a log and no more for the API: who writes more than that between two calls loses some of it, and is told so.

    Args:
        client: Asks the API server.
        cursor: How far the log has been told.
        container: Container of the pod; its first one where it has none of this name.
        largest: Bytes after which a read ends as soon as it has brought something new.

    Attributes:
        cursor: How far the log has been told.
        troubled: The last look could not read all that is there; the next one goes on from the same place.
        gone: At the last look there was no pod, or nobody had its container's log.
    """

    def __init__(
        self,
        client: SparkKubeClient,
        cursor: LogCursor = LogCursor(),  # noqa: B008  a frozen model
        *,
        container: str = DRIVER_CONTAINER,
        largest: int = LARGEST_READ,
    ) -> None:
        self.cursor = cursor
        self.troubled = self.gone = False
        self._largest = largest
        self._client, self._container = client, container
        self._quiet = ""

    async def pieces(self, pod: str, source: LogSource | None = None) -> list[Piece[LogCursor]]:
        """Return the next lines of a pod; none where there are no new ones. Of one that has ended, call until there are none.

        Args:
            pod: Its name.
            source: What its status shows, where that has just been read; None reads it.
        """
        self.troubled = self.gone = False
        for _ in range(_MOST_CHECKS):
            seen = source or await self._source(pod)
            if isinstance(seen, CallError):
                return [Piece(self._trouble(seen), self.cursor)]
            if isinstance(seen, Gone):
                self.gone = True
                return []
            found = await self._read(seen)
            if found is not None:
                return found
            source = None
        return []

    async def _read(self, source: LogSource) -> list[Piece[LogCursor]] | None:
        """Return what is new; None where the container was restarted meanwhile and nothing is new."""
        found: list[Piece[LogCursor]] = []
        wanted = reads(self.cursor, source)
        self.gone = not wanted
        for read in wanted:
            pieces = await self._told(source, read, found[-1].cursor if found else self.cursor)
            if pieces is None:
                return found or None
            found += _after(LOST, pieces) if read.lost and not self.troubled else pieces
        return found

    async def _told(self, source: LogSource, read: LogRead, behind: LogCursor) -> list[Piece[LogCursor]] | None:
        try:
            answer, whole = await self._answer(source, read)
        except StreamError as broken:
            if broken.error.code not in _NO_LOG:
                return [Piece(self._trouble(broken.error), behind)]
            # Of an earlier start nothing is kept: it is done with. The present one may just not have begun.
            self.gone = not read.previous
            return [Piece((), read.cursor)] if read.previous else []
        news = partial(tell, read.cursor, answer, ended=read.ended and whole)
        told = news() if len(answer) <= _LARGE else await off_loop(news)
        if told.lines and not told.sure and not read.previous and await self._is_another(source):
            return None
        self._quiet = ""
        return _after(GAP, told.pieces) if told.gap else list(told.pieces)

    async def _answer(self, source: LogSource, read: LogRead) -> tuple[bytes, bool]:
        """Return a log from the cursor on, and whether that is all of it. However little is read, it holds something new if there is."""
        parts: list[bytes] = []
        size = lines = 0
        query = {"container": source.container, "timestamps": "true"}
        query |= {"sinceTime": read.cursor.since} if read.cursor.since else {}
        query |= {"previous": "true"} if read.previous else {}
        try:
            async for part in self._client.stream(f"pods/{source.pod}/log", query):
                parts.append(part)
                size, lines = size + len(part), lines + part.count(b"\n")
                if size > self._largest and lines > read.cursor.told:
                    return b"".join(parts), False
        except StreamError:
            if lines <= read.cursor.told:
                raise
            return b"".join(parts), False
        return b"".join(parts), True

    async def _is_another(self, source: LogSource) -> bool:
        """Tell whether the container was restarted since its status was read, or whether that cannot be known."""
        now = await self._source(source.pod)
        return not isinstance(now, LogSource) or (now.uid, now.instance) != (source.uid, source.instance)

    async def _source(self, pod: str) -> LogSource | Gone | CallError:
        found = await self._client.get(f"pods/{pod}")
        return found if isinstance(found, Gone | CallError) else log_source(found, self._container)

    def _trouble(self, error: CallError) -> tuple[str, ...]:
        self.troubled = True
        if error.code == self._quiet:
            return ()
        self._quiet = error.code
        return (f"(the log cannot be read for now: {error.code}: {error.message})",)


def _after(line: str, pieces: Sequence[Piece[LogCursor]]) -> list[Piece[LogCursor]]:
    """Return the pieces behind a line of ours."""
    if not pieces:
        return []
    first, *others = pieces
    return [Piece((line, *first.lines), first.cursor), *others]


__all__ = ["PodLog"]
