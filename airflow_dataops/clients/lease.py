# SPDX-License-Identifier: Apache-2.0
"""Taking, renewing and giving back the lease of a table."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from airflow_dataops.clients.storage import Storage
from airflow_dataops.core.errors import RunConflict, StorageDenied, TransientError
from airflow_dataops.core.lease import Holder, LeaseState, may_take

log = logging.getLogger(__name__)
LEASE_SECONDS = 90.0
_POLL_SECONDS = 0.2
_APART = 1_000_000
# Leases that this process holds, as file and token: one that it could not give back, on a full disk, is held by nobody.
_HELD: set[tuple[str, int]] = set()


class Lease:
    """The right to change one table, as a context manager; a thread renews it until the end.

    Args:
        storage: Where the lease file lies.
        path: The lease file.
        table: Path of the table.
        what: Who asks, for people: pipeline and run.
        wait_seconds: How long to wait while another holds it.
        earlier: Returns a token that none may fall below; asked where the lease file is new, as in a lake that was moved.
        seconds: How long it counts without being renewed.

    Raises:
        RunConflict: Another process holds it and does not give it back in time; or, later, has taken it over.
    """

    def __init__(
        self,
        storage: Storage,
        path: str,
        *,
        table: str,
        what: str,
        wait_seconds: float = 60,
        seconds: float = LEASE_SECONDS,
        earlier: Callable[[], int] = int,
    ) -> None:
        self._storage, self._path, self._seconds = storage, path, seconds
        self._wait, self._earlier = wait_seconds, earlier
        self._table = table
        self._me = me(what)
        self._state = LeaseState(table=table)
        self._raw: bytes | None = None
        self._lost = False
        self._mine = (path, 0)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="dataops-lease", daemon=True)

    @property
    def token(self) -> int:
        """The fencing token: higher than every earlier one of the table, and not that of another holder at the same time."""
        return self._state.token

    @property
    def pending(self) -> str | None:
        """Commit record that is in force and not finished."""
        return self._state.pending

    def __enter__(self) -> Self:
        deadline = time.monotonic() + self._wait
        while True:
            reason = self._try()
            if reason:
                break
            if time.monotonic() >= deadline:
                raise self._conflict("is being changed by")
            time.sleep(_POLL_SECONDS)
        if reason != "free":
            log.warning("took over the lease of %s: %s", self._table, reason)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        # Somebody who took it over keeps it; whoever cannot write lets it expire.
        with contextlib.suppress(TransientError, StorageDenied):
            self._write(holder=None, expires_at=None)
        _HELD.discard(self._mine)

    def mark(self, pending: str | None) -> None:
        """Put a commit record in force (the commit point of a parquet publish), or take it out once it is finished.

        Raises:
            RunConflict: The lease was taken over in the meantime; nothing was marked.
        """
        self._write(pending=pending)

    def check(self) -> None:
        """Raise :class:`RunConflict` unless the lease is still ours."""
        with self._lock:
            if self._lost or self._storage.read_bytes(self._path) != self._raw:
                raise self._taken_over()

    def _try(self) -> str | None:
        self._load()
        now = datetime.now(UTC)
        reason = may_take(self._state, now, self._held())
        if reason is None:
            return None
        # Where two may win, they must not have one token: files and records are named by it, and who loses deletes its own.
        step = 1 if self._storage.decides else 1 + secrets.randbelow(_APART)
        taken = self._state.taken(self._me, now, self._seconds, step)
        data = taken.model_dump_json().encode()
        # Before it is written, so that no other thread sees it unheld; where it was not written, another thread may have this token.
        self._mine = (self._path, taken.token)
        _HELD.add(self._mine)
        if not self._storage.replace_if(self._path, self._raw, data):
            return None
        self._state, self._raw = taken, data
        return reason

    def _held(self) -> bool | None:
        """Whether the holder still works on it; None where that cannot be known from here."""
        alive = _alive(self._state.holder, self._me)
        if alive and self._state.holder and self._state.holder.process == self._me.process:
            return (self._path, self.token) in _HELD
        return alive

    def _load(self) -> None:
        self._raw = self._storage.read_bytes(self._path)
        try:
            self._state = LeaseState.model_validate_json(self._raw) if self._raw else self._new()
        except ValidationError as error:
            raise RunConflict(
                f"lease file {self._path} is not readable: {error.errors()[0]['msg']}",
                hint="nothing of ours leaves half a file; look at it, then delete it",
            ) from error

    def _new(self) -> LeaseState:
        return LeaseState(table=self._table, token=self._earlier())

    def _write(self, **update: Any) -> None:
        with self._lock:
            state = self._state.model_copy(update=update)
            data = state.model_dump_json().encode()
            if self._lost or not self._storage.replace_if(self._path, self._raw, data):
                raise self._taken_over()
            self._state, self._raw = state, data

    def _renew(self) -> None:
        while not self._stop.wait(self._seconds / 3):
            try:
                self._write(expires_at=datetime.now(UTC) + timedelta(seconds=self._seconds))
            except RunConflict:
                return
            except (TransientError, StorageDenied) as error:
                log.warning("could not renew the lease of %s: %s", self._table, error)

    def _taken_over(self) -> RunConflict:
        """Remember that the lease is gone for good: what is in the file now is another holder's, and stays so."""
        self._lost = True
        self._load()
        return self._conflict("has been taken over by")

    def _conflict(self, verb: str) -> RunConflict:
        holder = self._state.holder
        who = (
            f"{holder.what} (process {holder.process} on {holder.host.split(':')[0]})" if holder else "nobody any more"
        )
        return RunConflict(
            f"table {self._table} {verb} {who}",
            hint="try again; if that process is gone and its host cannot be asked, its lease ends by itself in "
            f"{self._seconds:.0f} seconds",
            details={"holder": holder.model_dump() if holder else None, "token": self._state.token},
        )


def me(what: str) -> Holder:
    """Return this process as a holder."""
    return Holder(host=_host(), process=os.getpid(), started=_started(os.getpid()) or "", what=what)


def is_live(state: LeaseState) -> bool:
    """True while a lease may not be taken."""
    return may_take(state, datetime.now(UTC), _alive(state.holder, me(""))) is None


def _alive(holder: Holder | None, asker: Holder) -> bool | None:
    if holder is None or holder.host != asker.host or not holder.started:
        return None
    return _started(holder.process) == holder.started


def _host() -> str:
    """Name, start of the machine and process namespace: a container of the same name has other process ids."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return ":".join(parts)


def _started(process: int) -> str | None:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # A zombie runs nothing any more.
    return None if fields[0] in "ZX" else fields[19]
