# SPDX-License-Identifier: Apache-2.0
"""A log in a file, with the promises of a Kafka topic: partitions by key, offsets without reuse, commits by group."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import queue
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from pathlib import Path

from airflow_dataops.clients.metadata.ports import Fetched, GroupInUse
from airflow_dataops.clients.metadata.sqlite import Database
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.metadata.dead_letter import Headers, Outgoing, Record
from airflow_dataops.core.metadata.drain import Offsets, PartitionId

PARTITIONS = 3
_KIND = "metadata log"
_PAUSE = 0.1  # seconds between two looks for records that are not there yet
_SCHEMA = """
CREATE TABLE IF NOT EXISTS topics (topic TEXT PRIMARY KEY, partitions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS ends (topic TEXT, part INTEGER, start INTEGER NOT NULL, stop INTEGER NOT NULL, PRIMARY KEY (topic, part));
CREATE TABLE IF NOT EXISTS records (
  topic TEXT, part INTEGER, off INTEGER, at INTEGER NOT NULL, key BLOB, value BLOB, headers TEXT NOT NULL, PRIMARY KEY (topic, part, off)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commits (grp TEXT, topic TEXT, part INTEGER, off INTEGER NOT NULL, PRIMARY KEY (grp, topic, part));
CREATE TABLE IF NOT EXISTS taken (name TEXT PRIMARY KEY, lines INTEGER NOT NULL)
"""


class LogFile:
    """The file: topics, their records, and the commits of groups.

    Args:
        file: The file, absolute.
        partitions: Partitions of a topic that is made; one that is there keeps its own.
        clock: Milliseconds since 1970, for the records' times.
    """

    def __init__(
        self, file: str, *, partitions: int = PARTITIONS, clock: Callable[[], int] = lambda: time.time_ns() // 10**6
    ) -> None:
        self.file, self._partitions, self._clock = file, partitions, clock
        self._database = Database(file, _SCHEMA, _KIND)

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; one that is not there is made."""
        with self._database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO topics VALUES (?, ?)", (topic, self._partitions))
            count = int(connection.execute("SELECT partitions FROM topics WHERE topic = ?", (topic,)).fetchone()[0])
            rows = [(topic, part) for part in range(count)]
            connection.executemany("INSERT OR IGNORE INTO ends VALUES (?, ?, 0, 0)", rows)
        return count

    def append(self, records: Iterable[Outgoing], *, taken: tuple[str, int] | None = None) -> int:
        """Append records, all or none; durable when it returns.

        Args:
            records: What is appended; those of one key go to one partition, those without one go round.
            taken: Name of what they are from and its number of lines; where that is in the log already, nothing is appended.

        Returns:
            How many were appended.
        """
        found = list(records)
        counts = {topic: self.partitions(topic) for topic in {one.topic for one in found}}
        with self._database.writing() as connection:
            if taken is not None:
                done = connection.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", taken)
                if not done.rowcount:
                    return 0
            query = "SELECT topic, part, stop FROM ends"
            ends = {(topic, part): stop for topic, part, stop in connection.execute(query)}
            rows = []
            for one in found:
                place = self._place(one, counts[one.topic], ends)
                headers = json.dumps([[name, _text(value)] for name, value in one.headers])
                rows.append((*place, ends[place], self._clock(), one.key, one.value, headers))
                ends[place] += 1
            connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany(
                "UPDATE ends SET stop = ? WHERE topic = ? AND part = ?",
                [(stop, topic, part) for (topic, part), stop in ends.items()],
            )
        return len(found)

    def is_taken(self, name: str) -> bool:
        """Tell whether :meth:`append` was given that name before."""
        with self._database.reading() as connection:
            return connection.execute("SELECT 1 FROM taken WHERE name = ?", (name,)).fetchone() is not None

    def offsets(self, topic: str, group: str) -> dict[PartitionId, Offsets]:
        """Return what each partition of a topic has, and how far a group has committed."""
        count = self.partitions(topic)
        with self._database.reading() as connection:
            committed = dict(
                connection.execute("SELECT part, off FROM commits WHERE grp = ? AND topic = ?", (group, topic))
            )
            query = "SELECT part, start, stop FROM ends WHERE topic = ?"
            ends = {part: (start, stop) for part, start, stop in connection.execute(query, (topic,))}
        return {(topic, part): Offsets(committed.get(part), *ends[part]) for part in range(count)}

    def read(self, partition: PartitionId, begin: int, stop: int, most: int) -> list[Record]:
        """Return up to ``most`` records of a partition from ``begin`` on, those before ``stop``."""
        where = "topic = ? AND part = ? AND off >= ? AND off < ?"
        query = f"SELECT off, at, key, value, headers FROM records WHERE {where} ORDER BY off LIMIT ?"  # noqa: S608  # no value
        with self._database.reading() as connection:
            rows = connection.execute(query, (*partition, begin, stop, most)).fetchall()
        return [Record(*partition, off, at, key, value, _headers(headers)) for off, at, key, value, headers in rows]

    def commit(self, group: str, positions: Mapping[PartitionId, int]) -> None:
        """Remember how far a group has come; durable when it returns."""
        rows = [(group, topic, part, offset) for (topic, part), offset in positions.items()]
        with self._database.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @staticmethod
    def _place(one: Outgoing, count: int, ends: Mapping[PartitionId, int]) -> PartitionId:
        if one.key is None:
            return one.topic, sum(ends[one.topic, part] for part in range(count)) % count
        return one.topic, zlib.crc32(one.key) % count


class EmbeddedLog:
    """One group of one topic of a log in a file; see :class:`~airflow_dataops.clients.metadata.ports.EventLog`.

    Args:
        file: The log's file.
        topic: The topic; made where it is not there.
        group: The group.
    """

    def __init__(self, file: LogFile, topic: str, group: str) -> None:
        self.topic, self.group, self._file = topic, group, file
        self._at: dict[PartitionId, int] = {}
        self._held: int | None = None

    def offsets(self) -> dict[PartitionId, Offsets]:
        """See :class:`EventLog`."""
        return self._file.offsets(self.topic, self.group)

    def assign(self, begin: Mapping[PartitionId, int]) -> None:
        """See :class:`EventLog`. One process at a time reads for a group."""
        self._hold()
        self._at = dict(begin)

    def subscribe(self, on_lost: Callable[[Collection[PartitionId]], None]) -> None:
        """See :class:`EventLog`. One process has all partitions, and never loses one."""
        del on_lost
        self._hold()
        self._at = {
            partition: seen.start if seen.committed is None else seen.committed
            for partition, seen in self.offsets().items()
        }

    def poll(self, *, records: int, size: int, seconds: float) -> Fetched:
        """See :class:`EventLog`."""
        end = time.monotonic() + seconds
        while True:
            found = self._poll(records, size)
            if found.records or time.monotonic() >= end:
                return found
            time.sleep(min(_PAUSE, max(0.0, end - time.monotonic())))

    def _poll(self, records: int, size: int) -> Fetched:
        found: dict[PartitionId, list[Record]] = {}
        for partition, begin in self._at.items():
            part = self._file.read(partition, begin, 2**62, max(records, 0)) if records > 0 and size > 0 else []
            kept = []
            for record in part:
                if size <= 0:
                    break
                kept.append(record)
                size -= len(record.key or b"") + len(record.value or b"")
            records -= len(kept)
            if kept:
                found[partition] = kept
                self._at[partition] = kept[-1].offset + 1
        return Fetched(found, dict(self._at))

    def seek(self, positions: Mapping[PartitionId, int]) -> None:
        """See :class:`EventLog`."""
        self._at.update(positions)

    def commit(self, positions: Mapping[PartitionId, int]) -> None:
        """See :class:`EventLog`."""
        self._file.commit(self.group, positions)

    def read(self, partition: PartitionId, begin: int, stop: int) -> Iterator[Record]:
        """See :class:`EventLog`."""
        while part := self._file.read(partition, begin, stop, 1000):
            yield from part
            begin = part[-1].offset + 1

    def close(self) -> None:
        """See :class:`EventLog`. The file stays open for others that use it."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _hold(self) -> None:
        if self._held is not None:
            return
        held = os.open(f"{self._file.file}.{zlib.crc32(self.group.encode()):08x}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            raise GroupInUse(
                f"another process reads {self.topic!r} for group {self.group!r}",
                hint="wait for its end; `dataops run-worker` and a run of the pipeline take turns",
            ) from None
        self._held = held


class EmbeddedPublisher:
    """Appends to a log in a file; see :class:`~airflow_dataops.clients.metadata.ports.Publisher`.

    What is sent at the same time is written together.

    Args:
        file: The log's file.
    """

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._queue: queue.SimpleQueue[tuple[Outgoing, Future[None]] | None] = queue.SimpleQueue()
        self._open = set[Future[None]]()
        self._thread = threading.Thread(target=self._run, name="embedded-publisher", daemon=True)
        self._thread.start()

    def send(self, record: Outgoing) -> Future[None]:
        """See :class:`Publisher`."""
        future: Future[None] = Future()
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        self._queue.put((record, future))
        return future

    def flush(self, seconds: float) -> int:
        """See :class:`Publisher`."""
        return len(wait(list(self._open), timeout=seconds).not_done)

    def close(self) -> None:
        """See :class:`Publisher`."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            while not self._queue.empty() and len(batch) < 1000:
                batch.append(self._queue.get())
            ended = None in batch
            self._append([one for one in batch if one is not None])

    def _append(self, batch: list[tuple[Outgoing, Future[None]]]) -> None:
        try:
            self._file.append([record for record, _ in batch])
        except DataOpsError as error:
            for _, future in batch:
                future.set_exception(error)
        else:
            for _, future in batch:
                future.set_result(None)


def take_inbox(file: LogFile, folder: str, read: Callable[[bytes, str], Outgoing | None]) -> int:
    """Append the lines of each ``*.jsonl`` file of a folder, each file once, whole or not at all.

    Args:
        file: The log.
        folder: The folder; one that is not there is empty.
        read: Line and its place (``name:number``) -> record; None for one that is left out.

    Returns:
        How many records were appended.
    """
    posted = 0
    for path in sorted(Path(folder).glob("*.jsonl")):
        data = path.read_bytes()
        name = f"{path.name}-{len(data)}-{zlib.crc32(data):08x}"
        if file.is_taken(name):
            continue
        lines = data.splitlines()
        records = [read(line, f"{path.name}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
        posted += file.append([one for one in records if one is not None], taken=(name, len(lines)))
    return posted


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _headers(text: str) -> Headers:
    return tuple((name, None if value is None else base64.b64decode(value)) for name, value in json.loads(text))


__all__ = ["EmbeddedLog", "EmbeddedPublisher", "LogFile", "take_inbox"]
