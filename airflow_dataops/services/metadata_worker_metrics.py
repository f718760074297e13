# SPDX-License-Identifier: Apache-2.0
"""What Prometheus and the log are told of a worker, and by which probes an orchestrator knows it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.metadata.drain import PartitionId
from airflow_dataops.jobs.metadata.watching import Watch

_LOG = logging.getLogger("airflow_dataops.services.metadata_worker")
_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_STAGES = ("read", "transform", "store", "bury", "archive", "commit")
HANGS = 900.0  # seconds without any sign of life after which it is said to be dead


class WorkerWatch(Watch):
    """Counts what a worker does, logs it, and knows whether it lives.

    Args:
        hangs: Seconds without a sign of life after which it counts as dead.
        clock: Seconds since 1970.
    """

    def __init__(self, hangs: float = HANGS, clock: Callable[[], float] = time.time) -> None:
        self._registry = made = CollectorRegistry()
        self._hangs, self._beat, self.is_ready = hangs, time.monotonic(), False
        self._clock = clock
        names = "dataops_metadata_worker"
        self._records = Counter(f"{names}_records", "Records that are committed.", ["outcome"], registry=made)
        self._changed = Counter(f"{names}_documents_changed", "Documents that changed in the store.", registry=made)
        self._errors = Counter(f"{names}_errors", "Cycles that failed and were read again.", ["code"], registry=made)
        self._lag = Gauge(
            f"{names}_lag_records", "Records ahead, of this worker's partitions.", ["partition"], registry=made
        )
        self._age = Gauge(
            f"{names}_oldest_record_age_seconds",
            "Age of the oldest record that is read and not committed yet; 0 where nothing waits.",
            registry=made,
        )
        self._age.set_function(self._oldest)
        self._since: float | None = None  # of the last poll's oldest record, seconds since 1970
        self._is_done, self._is_behind = True, False  # whether that poll is committed, and left anything
        self._stages = Histogram(
            f"{names}_batch_seconds", "Of each stage of a cycle.", ["stage"], buckets=_SECONDS, registry=made
        )
        for outcome in ("stored", "dead"):
            self._records.labels(outcome)
        for stage in _STAGES:
            self._stages.labels(stage)

    @property
    def is_alive(self) -> bool:
        """False where it has given no sign of life for long: it hangs."""
        return time.monotonic() - self._beat < self._hangs

    def stage(self, name: str, seconds: float) -> None:
        """See :class:`~airflow_dataops.jobs.metadata.watching.Watch`."""
        self._beat = time.monotonic()
        self._stages.labels(name).observe(seconds)
        if name == "read":  # the poll came back: the broker is not known to be away
            self.is_ready = True

    def cycle(self, *, stored: int, dead: int, changed: int) -> None:
        """See :class:`~airflow_dataops.jobs.metadata.watching.Watch`."""
        self._is_done = True
        self._records.labels("stored").inc(stored)
        self._records.labels("dead").inc(dead)
        self._changed.inc(changed)
        _LOG.info("cycle", extra={"stored": stored, "dead": dead, "changed": changed})

    def failed(self, error: DataOpsError, wait: float) -> None:
        """See :class:`~airflow_dataops.jobs.metadata.watching.Watch`."""
        self._beat, self.is_ready = time.monotonic(), False
        if self._is_done and not self._is_behind:  # else the next poll tells, and what it finds is older than nothing
            self._since = None
        self._errors.labels(error.code).inc()
        _LOG.warning(error.message, extra={"code": error.code, "hint": error.hint, "again_in_seconds": wait})

    def lag(self, records: Mapping[PartitionId, int]) -> None:
        """See :class:`~airflow_dataops.jobs.metadata.watching.Watch`."""
        self._is_behind = any(records.values())
        self._lag.clear()
        for (_, partition), count in records.items():
            self._lag.labels(str(partition)).set(count)

    def waiting(self, since: Mapping[PartitionId, int]) -> None:
        """See :class:`~airflow_dataops.jobs.metadata.watching.Watch`."""
        self._since = min(since.values()) / 1000 if since else None
        self._is_done = not since

    def lost(self) -> None:
        """See :class:`~airflow_dataops.jobs.metadata.watching.Watch`."""
        _LOG.info("partitions went to another worker")

    def _oldest(self) -> float:
        since = self._since
        return 0.0 if since is None else max(self._clock() - since, 0.0)

    def text(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        return generate_latest(self._registry)


__all__ = ["WorkerWatch"]
