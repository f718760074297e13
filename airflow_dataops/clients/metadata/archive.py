# SPDX-License-Identifier: Apache-2.0
"""The archive of all records: Parquet objects in a folder, S3 or GCS, each written whole, and only if nobody else did meanwhile."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from airflow_dataops.clients.metadata.archive_file import decode, encode
from airflow_dataops.clients.storage import Storage, storage_for
from airflow_dataops.core.errors import StorageError
from airflow_dataops.core.metadata.archive import BLOCK, ObjectId, Row, parse_key, superset, touched

_AT_ONCE = 4
_TRIES = 20
_KEPT = 64 << 20  # bytes of what was written last: its next writing need not fetch and read it


class ParquetArchive:
    """An archive below a folder; several writers may add to it.

    An object is read, joined with what is new, and written on the condition that it still is what was read; who loses reads it again. So no
    row is ever lost, and none is there twice.

    Args:
        folder: ``/data/archive``, ``s3://bucket/archive`` or ``gs://bucket/archive``.
        storage: Of it; chosen by the folder when omitted.
        block: Offsets of a block; only tests have others.

    Raises:
        SpecError: The folder cannot be meant.
    """

    def __init__(self, folder: str, storage: Storage | None = None, *, block: int = BLOCK) -> None:
        self._folder, self._block = folder.rstrip("/"), block
        self._storage = storage or storage_for(folder)
        self._last = _Last(_KEPT)

    def write(self, topic: str, partition: int, rows: Sequence[Row]) -> int:
        """See :class:`~airflow_dataops.clients.metadata.ports.Archive`.

        Raises:
            InputError: An object that is to be joined is damaged (``ARCHIVE_DAMAGED``); it stays as it is.
            StorageError: The store does not answer, or other writers won each time (``ARCHIVE_BUSY``).
        """
        places = touched(topic, partition, rows, block=self._block)
        if len(places) == 1:
            return sum(self._join(place, new) for place, new in places.items())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return sum(pool.map(lambda item: self._join(*item), places.items()))

    def rows(self, topic: str, partition: int, begin: int, stop: int) -> Iterator[Row]:
        """See :class:`~airflow_dataops.clients.metadata.ports.Archive`. The rows of one block are held at a time.

        Raises:
            InputError: An object is damaged (``ARCHIVE_DAMAGED``).
        """
        blocks: dict[int, list[ObjectId]] = defaultdict(list)
        for info in self._storage.find(f"{self._folder}/topic={topic}"):
            place = parse_key(info.path[len(self._folder) + 1 :])
            if place is not None and place.partition == partition and begin - self._block < place.start < stop:
                blocks[place.start].append(place)
        for start in sorted(blocks):
            found = [row for place in blocks[start] for row in self._read(place)[1]]
            yield from (row for row in sorted(found, key=lambda row: row.offset) if begin <= row.offset < stop)

    def close(self) -> None:
        """See :class:`~airflow_dataops.clients.metadata.ports.Archive`."""
        self._last = _Last(_KEPT)

    def _join(self, place: ObjectId, new: Sequence[Row]) -> bool:
        """Add rows to an object; returns whether it had to be written."""
        path = self._path(place)
        for attempt in range(_TRIES):
            before, there = self._last.get(path) if attempt == 0 else (None, ())
            if before is None:
                before, there = self._read(place)
            made = superset(place, there, new, block=self._block)
            if not made.changed:
                return False
            data = encode(made.rows)
            if self._storage.replace_if(path, before, data):
                self._last.put(path, data, made.rows)
                return True
            self._last.drop(path)
        raise StorageError(f"other writers of {path} were quicker {_TRIES} times", code="ARCHIVE_BUSY")

    def _read(self, place: ObjectId) -> tuple[bytes | None, tuple[Row, ...]]:
        path = self._path(place)
        data = self._storage.read_bytes(path)
        return data, () if data is None else tuple(decode(data, path))

    def _path(self, place: ObjectId) -> str:
        return f"{self._folder}/{place.key}"


class _Last:
    """What was written last, the newest of it, up to so many bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[str, tuple[bytes, tuple[Row, ...], int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str) -> tuple[bytes | None, tuple[Row, ...]]:
        with self._lock:
            found = self._kept.get(path)
            return (None, ()) if found is None else found[:2]

    def put(self, path: str, data: bytes, rows: tuple[Row, ...]) -> None:
        size = len(data) + sum(len(row.value or b"") + len(row.enriched or b"") for row in rows)
        self.drop(path)
        with self._lock:
            self._kept[path] = data, rows, size
            self._size += size
            while self._size > self._most:
                self._size -= self._kept.popitem(last=False)[1][2]

    def drop(self, path: str) -> None:
        with self._lock:
            if path in self._kept:
                self._size -= self._kept.pop(path)[2]


__all__ = ["ParquetArchive"]
