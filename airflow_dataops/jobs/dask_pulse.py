# SPDX-License-Identifier: Apache-2.0
"""The driver's sign of life, given only while the scheduler answers; and the end of a wait that nothing else would end."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from airflow_dataops.clients.job_files import JobFiles
from airflow_dataops.core.dataproc_dask.result import Code
from airflow_dataops.core.errors import DataOpsError, TransientError
from airflow_dataops.jobs.dask_runtime.base import Seen, Session, when_deserted

log = logging.getLogger("airflow_dataops.jobs.dask")

_BEATS = 2.0  # heartbeats for which a scheduler may refuse to talk
_SILENCE = 60.0  # seconds for which it may say nothing: one with a large graph in hand answers late


class Pulse:
    """Writes ``heartbeat.json`` at an interval, from a thread of its own.

    Args:
        files: Where files are.
        uri: The object.
        interval: Seconds between two beats.
        end: Called, from the thread, when the work cannot go on: the scheduler is lost, or is a new one that knows nothing of it.
    """

    def __init__(self, files: JobFiles, uri: str, interval: float, end: Callable[[DataOpsError], None]) -> None:
        self._files, self._uri, self._interval, self._end = files, uri, interval, end
        self._session: Session | None = None
        self._first: Seen | None = None
        self._answered = self._had_workers = time.monotonic()
        self._idle_limit: float | None = None
        self._stop = threading.Event()
        self.silence = _SILENCE
        self._thread = threading.Thread(target=self._run, name="dask-driver-pulse", daemon=True)
        self.most = 0
        self.latest = 0

    def start(self) -> None:
        """Beat from now on; there need not be a scheduler yet."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; returns at once."""
        self._stop.set()

    def watch(self, session: Session) -> None:
        """From now on beat only while this scheduler answers.

        Raises:
            TransientError: It does not (``SCHEDULER_LOST``).
        """
        self._first = self._asked(session)
        self._answered = time.monotonic()
        self._session = session

    def expect_workers(self, limit: float) -> None:
        """End the work when there has been no worker at all for ``limit`` seconds: also where no task of it is waiting."""
        self._had_workers = time.monotonic()
        self._idle_limit = limit

    def lost(self) -> DataOpsError | None:
        """Ask the scheduler now, and return why it is not the one that the work began with; None where all is well."""
        session = self._session
        if session is None:
            return None
        try:
            seen = self._asked(session)
        except DataOpsError as error:
            return error
        return self._replaced(seen)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            error = self._beat()
            if error is not None:
                self._end(error)
                return
            self._stop.wait(max(0.0, self._interval - (time.monotonic() - began)))

    def _beat(self) -> DataOpsError | None:
        session = self._session
        if session is not None:
            try:
                seen = self._asked(session)
            except DataOpsError as error:
                patience = _BEATS * self._interval
                if isinstance(error.__cause__, TimeoutError):
                    patience = max(patience, self.silence)
                late = time.monotonic() - self._answered > patience
                return error if late and not self._stop.is_set() else None
            self._answered = time.monotonic()
            fault = self._replaced(seen) or session.ended() or self._deserted(seen, session)
            if fault is not None:
                return None if self._stop.is_set() else fault
        try:
            self._files.write(self._uri, json.dumps({"at": datetime.now(UTC).isoformat()}).encode())
        except DataOpsError as error:
            log.warning("no sign of life could be left: %s", error.message)
        return None

    def _asked(self, session: Session) -> Seen:
        try:
            seen = session.look(min(10.0, max(1.0, self._interval)))
        except Exception as error:
            raise _lost(f"it does not answer: {type(error).__name__} {error}".rstrip()) from error
        self.most, self.latest = max(self.most, seen.workers), seen.workers
        return seen

    def _replaced(self, seen: Seen) -> DataOpsError | None:
        if self._first is None or seen.id == self._first.id:
            return None
        return _lost("another one has taken its place, which knows nothing of this job's work")

    def _deserted(self, seen: Seen, session: Session) -> DataOpsError | None:
        now = time.monotonic()
        if seen.workers or self._idle_limit is None:
            self._had_workers = now
            return None
        if now - self._had_workers <= self._idle_limit:
            return None
        return TransientError(
            f"there has been no Dask worker for {now - self._had_workers:.0f} s",
            hint=when_deserted(session.name),
            code=Code.NO_WORKERS,
        )


def _lost(why: str) -> TransientError:
    return TransientError(
        f"the Dask scheduler is lost: {why}",
        hint="it may have run out of memory: hand fewer or smaller results and graphs to it, or take a larger master",
        code=Code.SCHEDULER_LOST,
    )


__all__ = ["Pulse"]
