# SPDX-License-Identifier: Apache-2.0
"""What the worker needs of a log, a producer, a store and an archive, whichever they are: Kafka, Mongo and S3, or the embedded ones.

All of them raise :class:`~airflow_dataops.core.errors.TransientError` for what may pass (a server that is away), and any other
:class:`~airflow_dataops.core.errors.DataOpsError` for what somebody has to mend.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from airflow_dataops.core.errors import DataOpsError, RunConflict
from airflow_dataops.core.metadata.archive import Row
from airflow_dataops.core.metadata.dead_letter import Outgoing, Record
from airflow_dataops.core.metadata.drain import Offsets, PartitionId
from airflow_dataops.core.metadata.upsert import Stored


@dataclass(frozen=True)
class Fetched:
    """What one poll brought.

    Attributes:
        records: By partition, in the order of their offsets; partitions without any are not in it.
        positions: Of each partition that is read and has come to anything: the offset that is read next. It may lie behind the last
            record: markers of transactions, aborted and compacted records leave gaps.
    """

    records: Mapping[PartitionId, Sequence[Record]]
    positions: Mapping[PartitionId, int]


class GroupInUse(RunConflict):
    """Other readers are members of the group: a bounded drain would read what they read."""

    default_code = "GROUP_IN_USE"


class Fenced(RunConflict):
    """A commit was refused: the partitions belong to another reader by now. What was read is to be dropped."""

    default_code = "READER_FENCED"


class EventsRefused(DataOpsError):
    """A store has stored all events of a batch but these, and will never take them: they are too large for it, or break its rules.

    Args:
        refused: Key of the event -> why.
        changed: How many documents changed by the others.
    """

    default_code = "STORE_REFUSED"

    def __init__(self, refused: Mapping[str, str], changed: int) -> None:
        first = next(iter(refused.items()))
        super().__init__(f"{len(refused)} events are refused by the store; {first[0]!r}: {first[1]}")
        self.refused = dict(refused)
        self.changed = changed


class EventLog(Protocol):
    """One group's way through one topic. Not to be used by several threads at once, but for :meth:`read` and :meth:`offsets`."""

    topic: str
    group: str

    def offsets(self) -> dict[PartitionId, Offsets]:
        """Return what is committed, and then log start and end, of every partition.

        Raises:
            TransientError: One of them is not known (``OFFSETS_UNKNOWN``, or what the server's absence is called).
            InputError: There is no such topic.
        """
        ...

    def assign(self, begin: Mapping[PartitionId, int]) -> None:
        """Read these partitions from these offsets on, without joining the group: for what ends.

        Raises:
            GroupInUse: The group has members.
        """
        ...

    def subscribe(self, on_lost: Callable[[Collection[PartitionId]], None]) -> None:
        """Join the group, and read what it gives.

        Args:
            on_lost: Called, from within :meth:`poll`, with partitions that are another member's from now on. What was polled is committed
                by then or will be read again by the other one; no poll returns records of them.
        """
        ...

    def poll(self, *, records: int, size: int, seconds: float) -> Fetched:
        """Return what is there: at most so many records, and about so many bytes of them (at least one record), after at most so long.

        It returns early where all that is there was read.
        """
        ...

    def seek(self, positions: Mapping[PartitionId, int]) -> None:
        """Read from there again, after what was polled could not be stored. Partitions that are not read any more are passed over."""
        ...

    def commit(self, positions: Mapping[PartitionId, int]) -> None:
        """Commit these offsets, and return when that is durable.

        Raises:
            Fenced: Some of the partitions are another reader's by now.
        """
        ...

    def read(self, partition: PartitionId, begin: int, stop: int) -> Iterator[Record]:
        """Yield the records of a partition from ``begin`` up to, but not including, ``stop``; nothing of the group is changed."""
        ...

    def close(self) -> None:
        """Leave the group; what is not committed is read again by whoever comes next."""
        ...


class Publisher(Protocol):
    """Sends records."""

    def send(self, record: Outgoing) -> Future[None]:
        """Take a record; the future ends when it is durable, or with a :class:`~airflow_dataops.core.errors.DataOpsError`.

        Raises:
            TransientError: Too much is in flight.
            DataOpsError: It can never be sent (``KAFKA_RECORD_TOO_LARGE``).
        """
        ...

    def flush(self, seconds: float) -> int:
        """Wait for what was sent, at most so long; return how much of it is still on its way."""
        ...

    def close(self) -> None:
        """Flush and end."""
        ...


class Store(Protocol):
    """The newest event of each key."""

    def prepare(self) -> None:
        """Make what it needs (a table, indexes); nothing happens where that is there."""
        ...

    def upsert(self, events: Sequence[Stored]) -> int:
        """Keep each event unless a newer one of its key is there; durable when it returns.

        Args:
            events: Each key once.

        Returns:
            How many documents changed.

        Raises:
            EventsRefused: All but some are stored, and those can never be.
        """
        ...

    def orders(self) -> Iterator[tuple[str, str]]:
        """Yield key and order of each document, sorted by key as Python sorts texts."""
        ...

    def get(self, keys: Sequence[str]) -> dict[str, Stored]:
        """Return the documents of these keys, of those that are there."""
        ...

    def remove(self, key: str, order: str) -> bool:
        """Delete a document if it still is of this order; tell whether it was."""
        ...

    def findings(self) -> list[str]:
        """Return what is wrong with it, as sentences; nothing where all is well. It does not raise where it cannot be reached."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class Archive(Protocol):
    """Every record once, raw and enriched."""

    def write(self, topic: str, partition: int, rows: Sequence[Row]) -> int:
        """Add rows of a partition; durable when it returns. Rows that are there are not added again.

        Returns:
            How many objects were written.

        Raises:
            ArchiveConflict: An offset is there with another content.
        """
        ...

    def rows(self, topic: str, partition: int, begin: int, stop: int) -> Iterator[Row]:
        """Yield the rows of a partition from ``begin`` up to, but not including, ``stop``, by offset; what is there twice comes twice."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


__all__ = [
    "Archive", "EventLog", "EventsRefused", "Fenced", "Fetched", "GroupInUse", "Publisher", "Store",
]  # fmt: skip
