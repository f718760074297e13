# SPDX-License-Identifier: Apache-2.0
"""What a worker tells of its work, how much it takes at once, and what a drain has done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.metadata.drain import PartitionId


class WorkerPoint(StrEnum):
    """A place in a worker's cycle; what has been done by then stands behind it. Tests let it die at each."""

    READ = "worker.read"  # records are read, nothing else is done
    STORED = "worker.stored"  # the store has all that it takes
    BURIED = "worker.buried"  # dead letters are acknowledged
    ARCHIVED = "worker.archived"  # the archive has all of it
    COMMITTED = "worker.committed"  # the offsets are committed


@dataclass(frozen=True)
class Limits:
    """How much a worker takes at once, and how long it tries.

    Attributes:
        records: Of a cycle. The archive's last object is written anew in each, so larger is quicker.
        size: Bytes of keys and values of a cycle.
        bulk: Events of one write to the store.
        seconds: That a poll waits for records.
        patience: Seconds for which a drain goes on without getting on, before it gives up. A continuous worker never does.
        first_wait: Seconds between the first failure and the next try; each further wait is twice as long,
        longest_wait: up to this.
        lag_every: Seconds between two looks at the lag.
    """

    records: int = 10_000
    size: int = 64 << 20
    bulk: int = 500
    seconds: float = 1.0
    patience: float = 300.0
    first_wait: float = 0.5
    longest_wait: float = 30.0
    lag_every: float = 15.0

    def wait(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        return min(self.first_wait * float(1 << min(failures - 1, 30)), self.longest_wait)


@dataclass
class Part:
    """What was done of a partition.

    Attributes:
        begin: First offset.
        stop: Offset behind the last.
        read: Records.
        stored: Of these, events that the store has, or has a newer one of.
        dead: Of these, dead letters.
    """

    begin: int
    stop: int
    read: int = 0
    stored: int = 0
    dead: int = 0


@dataclass
class Drained:
    """What a drain has done; records that were read again after a failure are counted once.

    Attributes:
        partitions: By partition.
        changed: How many documents of the store changed.
        objects: How many objects of the archive were written.
        cut: Of the dead letters, how many were too large to be kept whole.
        failures: How often something failed, and passed.
    """

    partitions: dict[PartitionId, Part] = field(default_factory=dict)
    changed: int = 0
    objects: int = 0
    cut: int = 0
    failures: int = 0

    @property
    def read(self) -> int:
        """Records of all partitions."""
        return sum(part.read for part in self.partitions.values())

    @property
    def stored(self) -> int:
        """Stored ones of all partitions."""
        return sum(part.stored for part in self.partitions.values())

    @property
    def dead(self) -> int:
        """Dead ones of all partitions."""
        return sum(part.dead for part in self.partitions.values())


class Watch:
    """Hears what a worker does; this one does not listen. Each method is called by the worker's own thread."""

    def stage(self, name: str, seconds: float) -> None:
        """A stage of a cycle is over: ``read``, ``transform``, ``store``, ``bury``, ``archive`` or ``commit``."""

    def cycle(self, *, stored: int, dead: int, changed: int) -> None:
        """A cycle is committed."""

    def failed(self, error: DataOpsError, wait: float) -> None:
        """A cycle failed; it is tried again after so many seconds."""

    def lag(self, records: Mapping[PartitionId, int]) -> None:
        """How many records are ahead, by partition that this worker reads."""

    def waiting(self, since: Mapping[PartitionId, int]) -> None:
        """Records were read; they wait until the cycle is committed. Called for each poll.

        Args:
            since: Time of the first one of each partition, milliseconds since 1970; a partition of which nothing was read is not in it.
        """

    def lost(self) -> None:
        """Partitions went to another worker."""


__all__ = ["Drained", "Limits", "Part", "Watch", "WorkerPoint"]
