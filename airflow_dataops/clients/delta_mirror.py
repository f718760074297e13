# SPDX-License-Identifier: Apache-2.0
"""The log of a Delta table in a bucket, copied to this machine for delta-rs, and what that has written, put into the bucket.

delta-rs itself never talks to a store. It writes a log entry into a folder here; that becomes a version of the table when it is created in
the bucket, which :meth:`~airflow_dataops.clients.storage.Storage.replace_if` lets one writer do. So one piece of code decides who wins, for
leases, records and commits alike; it knows what to do where an answer got lost; and no key is in the hands of a library that may print it.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import json
import logging
import os
import re
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from airflow_dataops.clients.spill import private_folder
from airflow_dataops.clients.storage import FileInfo, storage_for
from airflow_dataops.core.errors import DataOpsError, StorageError

log = logging.getLogger(__name__)
_LOG = "_delta_log"
_POINTER = f"{_LOG}/_last_checkpoint"
_NUMBERED = re.compile(rf"{_LOG}/(\d{{20}})\.")
_SIDECAR = f"{_LOG}/_sidecars/"
_VECTOR = re.compile(r"(?:.*/)?deletion_vector_[^/]*\.bin")
_AT_ONCE = 16
_TRIES = 5
_NO_SUCH_NAME_HERE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


class BucketPlace:
    """A table in a bucket as it is now; see :class:`~airflow_dataops.clients.delta_place.Place` for each method.

    Of what lies before the newest checkpoint there are names and times only, by which delta-rs knows what to clean up.

    Args:
        table: Address of the table.

    Raises:
        StorageError: Its store does not answer, or its log changes faster than it can be read.
    """

    def __init__(self, table: str) -> None:
        self._table, self._storage = table.rstrip("/"), storage_for(table)
        process = os.getpid()
        self.folder = f"{_folder_of(process)}/{uuid.uuid4().hex}"
        os.mkdir(self.folder, mode=0o700)
        os.mkdir(f"{self.folder}/{_LOG}")
        weakref.finalize(self, _forget, self.folder, process)
        self._pointer: bytes | None = None
        self._names: set[str] = set()
        for _ in range(_TRIES):
            if self._fetch_log():
                return
        hint = "run it again once those who clean up its log are done"
        raise StorageError(f"the log of Delta table {table} changed while it was read, {_TRIES} times", hint=hint)

    def land(self, version: int) -> bool:
        """See :class:`~airflow_dataops.clients.delta_place.Place`."""
        name = f"{_LOG}/{version:020d}.json"
        # The log names the table's own place, not that of this copy.
        entry = Path(self.folder, name).read_bytes().replace(f"file://{self.folder}".encode(), self._table.encode())
        if not self._storage.replace_if(f"{self._table}/{name}", None, entry):
            return False
        self._names.add(name)
        try:
            self._keep_short()
        except DataOpsError as error:
            log.warning("the checkpoint of %s was not written, a later one will be: %s", self._table, error)
        return True

    def fetch_vectors(self) -> None:
        """See :class:`~airflow_dataops.clients.delta_place.Place`."""
        vectors = [name for name in self._listed(self._table) if _VECTOR.fullmatch(name)]
        self._each(self._fetch, vectors)

    def vacuum(self, delete: Callable[[bool], list[str]], *, dry_run: bool) -> list[str]:
        """See :class:`~airflow_dataops.clients.delta_place.Place`. delta-rs sees empty files of the same names and times."""
        shown = []
        for name, info in self._listed(self._table).items():
            if not name.startswith(f"{_LOG}/") and self._show(name, info):
                shown.append(name)
        delete(False)
        gone = [name for name in shown if not os.path.lexists(f"{self.folder}/{name}")]
        if not dry_run:
            self._each(lambda name: self._storage.delete(f"{self._table}/{name}"), gone)
        return gone

    def _fetch_log(self) -> bool:
        """Copy the log; False where something of it went meanwhile."""
        # The pointer first: what it names is in a listing that comes later, unless a newer one has replaced it.
        pointer = self._storage.read_bytes(f"{self._table}/{_POINTER}")
        listed = self._listed(f"{self._table}/{_LOG}", below=f"{_LOG}/")
        oldest = _version_of(pointer, listed)
        if oldest is not None and pointer is not None:
            Path(self.folder, _POINTER).write_bytes(pointer)
            self._pointer = pointer
        needed = {name for name in listed if _is_needed(name, oldest or 0)}
        for name in listed:
            if _NUMBERED.match(name) and name not in needed:
                self._show(name, listed[name])
        if not all(self._each(self._fetch, needed)):
            shutil.rmtree(f"{self.folder}/{_LOG}")
            os.mkdir(f"{self.folder}/{_LOG}")
            return False
        for name in needed:
            os.utime(f"{self.folder}/{name}", (listed[name].modified,) * 2)
        self._names = self._here()
        return True

    def _keep_short(self) -> None:
        """Put the checkpoint that delta-rs made into the bucket, if it made one, and delete what it has cleaned up."""
        here = self._here()
        for name in sorted(here - self._names):
            self._storage.write_bytes(f"{self._table}/{name}", Path(self.folder, name).read_bytes())
        pointer = Path(self.folder, _POINTER)
        if pointer.exists() and pointer.read_bytes() != self._pointer:
            self._storage.write_bytes(f"{self._table}/{_POINTER}", pointer.read_bytes())
        self._each(lambda name: self._storage.delete(f"{self._table}/{name}"), sorted(self._names - here))

    def _here(self) -> set[str]:
        names = os.listdir(f"{self.folder}/{_LOG}")
        return {name for name in (f"{_LOG}/{name}" for name in names) if _NUMBERED.match(name)}

    def _listed(self, folder: str, *, below: str = "") -> dict[str, FileInfo]:
        return {f"{below}{info.path[len(folder) + 1 :]}": info for info in self._storage.find(folder)}

    def _fetch(self, name: str) -> bool:
        content = self._storage.read_bytes(f"{self._table}/{name}")
        if content is None:
            return False
        path = Path(self.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return True

    def _show(self, name: str, info: FileInfo) -> bool:
        """Make an empty file of an object's name and time; False where there can be none of that name here."""
        path = f"{self.folder}/{name}"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb"):
                pass
            os.utime(path, (info.modified,) * 2)
        except OSError as error:
            if error.errno not in _NO_SUCH_NAME_HERE:
                raise
            return False
        return True

    def _each(self, do: Callable[[str], bool | None], names: Iterable[str]) -> list[bool | None]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(do, names))


def _is_needed(name: str, oldest: int) -> bool:
    numbered = _NUMBERED.match(name)
    return name.startswith(_SIDECAR) if numbered is None else int(numbered[1]) >= oldest


def _version_of(pointer: bytes | None, listed: Iterable[str]) -> int | None:
    """Return the version of the checkpoint that the pointer names; None where it names none that is there."""
    if pointer is None:
        return None
    try:
        version = int(json.loads(pointer)["version"])
    except (ValueError, KeyError, TypeError):
        return None
    begin = f"{_LOG}/{version:020d}.checkpoint."
    return version if any(name.startswith(begin) for name in listed) else None


@functools.cache
def _folder_of(process: int) -> str:
    """Return a folder of this process, which goes with it; what a killed process left goes with the next one that makes its own."""
    stack = contextlib.ExitStack()
    # A fork comes to its parent's exit handlers, too.
    atexit.register(lambda: stack.close() if os.getpid() == process else None)
    return stack.enter_context(private_folder(tempfile.gettempdir()))


def _forget(folder: str, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


__all__ = ["BucketPlace"]
