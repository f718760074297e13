# SPDX-License-Identifier: Apache-2.0
"""Store and archive all events up to the ends that the log had when the run began.

What belongs to a run is written down before anything is read: a later try goes on where an earlier one was cut off, and a gate sees the
records of both.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from airflow_dataops.clients.metadata.parts import Parts, opened
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import DataOpsError, InputError, StorageError, TransientError
from airflow_dataops.core.metadata import drain
from airflow_dataops.core.metadata.archive import Row
from airflow_dataops.core.metadata.drain import Bounds, Finding, Offsets, PartitionId
from airflow_dataops.core.metadata.event import CHECK
from airflow_dataops.core.metadata.jobs import DrainResult, DrainSpec, MetadataJob, PartitionCount
from airflow_dataops.core.metadata.slice import line_of, paths
from airflow_dataops.core.metadata.transforms import Transforms
from airflow_dataops.core.tables import RowCounts
from airflow_dataops.jobs import records
from airflow_dataops.jobs.metadata.taking import Taker
from airflow_dataops.jobs.metadata.watching import Watch
from airflow_dataops.jobs.metadata.worker import Worker
from airflow_dataops.jobs.process import Progress, main

OWN_PROCESS = True
"""A crash of Kafka's client, a C library, is to be this job's alone. And pyarrow loads pandas, beside which DuckDB ends with warnings."""

BOUNDS = "bounds.json"
SLICE = "drained"
_LINES = 20_000  # of one file of the slice


def run(spec: DrainSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None) -> DrainResult:
    """Drain the log, and leave the run's records for a gate.

    Args:
        spec: What to do.
        secrets: Reference -> value.
        progress: Told what is being done, one line at a time.

    Raises:
        InputError: Records were deleted before they were read (``DATA_LOST``), or more is committed than there is (``TOPIC_REPLACED``),
            and nobody has accepted that some are lost.
        TransientError: Log, store or archive did not answer, or another process reads for the group.
    """
    tell = progress or (lambda _line: None)
    with opened(spec, secrets) as parts:
        parts.store.prepare()
        seen = parts.log.offsets()
        bounds = _bind(spec, seen)
        left = {partition: drain.left(one, seen[partition]) for partition, one in bounds.items()}
        for (topic, number), one in left.items():
            if one.has_work:
                tell(f"{topic}/{number}: {one.stop - one.begin:,} offsets, {one.begin} to {one.stop - 1}")
        taker = Taker(Transforms(spec.transforms))
        worker = Worker(
            parts.log,
            parts.store,
            parts.archive,
            parts.publisher,
            dead_topic=spec.events.dead_topic,
            taker=taker,
            watch=_Told(tell, sum(one.stop - one.begin for one in left.values())),
        )
        drained = worker.drain(left)
        counts = RowCounts(read=drained.read, quarantined=drained.dead, written=drained.stored)
        table, counts = _write_slice(spec, parts, bounds) if spec.slice else (None, counts)
    partitions = [
        PartitionCount(
            partition=number, begin=one.begin, stop=one.stop, lost=one.lost, read=drained.partitions[topic, number].read
        )
        for (topic, number), one in bounds.items()
    ]
    return DrainResult(
        task=spec.task,
        run=spec.run,
        rows=counts,
        partitions=partitions,
        changed=drained.changed,
        objects=drained.objects,
        table=table,
        columns=paths({}) if table else {},
    )


class _Told(Watch):
    """Tells how far the drain is, and what it waits for."""

    def __init__(self, tell: Progress, ahead: int) -> None:
        self._tell, self._ahead, self._done = tell, ahead, 0

    def cycle(self, *, stored: int, dead: int, changed: int) -> None:
        self._done += stored + dead
        refused = f", {dead:,} dead letters" if dead else ""
        self._tell(f"{self._done:,} of up to {self._ahead:,}: {changed:,} documents changed{refused}")

    def failed(self, error: DataOpsError, wait: float) -> None:
        self._tell(f"{error.code}: {error.message}; again in {wait:.1f} s")


def bounds_of_run(spec: MetadataJob) -> dict[PartitionId, Bounds]:
    """Return the offsets that belong to the run, as its drain has written them down.

    Args:
        spec: The run.

    Raises:
        InputError: It has not been drained (``NOT_DRAINED``).
        StorageError: The document is there and cannot be read (``RECORD_UNREADABLE``).
    """
    known = _read(spec)
    if known is None:
        raise InputError(f"run {spec.run.key!r} of {spec.run.pipeline!r} has not been drained", code="NOT_DRAINED")
    return known[0]


def _bind(spec: DrainSpec, seen: Mapping[PartitionId, Offsets]) -> dict[PartitionId, Bounds]:
    """Write down what belongs to the run, and return it."""
    known = _read(spec)
    older = {} if known is None else known[0]
    made = drain.plan({partition: one for partition, one in seen.items() if partition not in older}) | {
        partition: drain.widened(one, seen[partition]) for partition, one in older.items() if partition in seen
    }
    # What an earlier try went over was looked at then.
    news = {
        partition: one for partition, one in made.items() if partition not in older or one.lost > older[partition].lost
    }
    drain.check(news, accept_loss=spec.on_data_loss == "accept")
    document = {
        f"{topic}/{number}": [one.begin, one.stop, one.lost, one.finding]
        for (topic, number), one in sorted(made.items())
    }
    path = _path(spec)
    if not storage_for(path).replace_if(path, known and known[1], json.dumps(document, indent=1).encode()):
        raise TransientError("another try of this run drains beside this one", code="RUN_CONFLICT")
    return made


def _read(spec: MetadataJob) -> tuple[dict[PartitionId, Bounds], bytes] | None:
    data = storage_for(_path(spec)).read_bytes(_path(spec))
    if data is None:
        return None
    try:
        found = {}
        for name, (begin, stop, lost, finding) in json.loads(data).items():
            topic, _, number = name.rpartition("/")
            found[topic, int(number)] = Bounds(Finding(finding), int(begin), int(stop), int(lost))
    except (ValueError, TypeError, AttributeError) as error:
        raise StorageError(
            f"{_path(spec)} does not say what belongs to the run: {error}", code="RECORD_UNREADABLE"
        ) from error
    return found, data


def _path(spec: MetadataJob) -> str:
    return f"{records.layout_of(spec).record}/{BOUNDS}"


def rows_of_run(spec: MetadataJob, parts: Parts, partition: PartitionId, bounds: Bounds) -> Iterator[Row]:
    """Yield the run's records of a partition, by offset: from the archive, or from the log where there is none."""
    if parts.archive is not None:
        yield from parts.archive.rows(*partition, bounds.begin, bounds.stop)
        return
    taker = Taker(Transforms(spec.transforms))
    for record in parts.log.read(partition, bounds.begin, bounds.stop):
        yield from (one.row() for one in taker.take([record], now=record.timestamp))


def _write_slice(spec: DrainSpec, parts: Parts, bounds: Mapping[PartitionId, Bounds]) -> tuple[str, RowCounts]:
    """Write the run's records for a gate; return the folder, and how many there are, over all tries."""
    folder = f"{records.layout_of(spec).staging}/{SLICE}"
    storage, found = storage_for(folder), Counter[str]()
    storage.delete_tree(folder)
    storage.write_bytes(f"{folder}/00000.jsonl", b"\n")  # a run without records has a table, too
    for (topic, number), one in bounds.items():
        # What a check posts says nothing of anybody's data.
        kept = (row for row in rows_of_run(spec, parts, (topic, number), one) if not row.event_key.startswith(CHECK))
        for count, rows in enumerate(_blocks(kept)):
            found.update(row.status for row in rows)
            lines = b"".join(line_of(number, row) for row in rows)
            storage.write_bytes(f"{folder}/{number:05d}-{count:05d}.jsonl", lines)
    return folder, RowCounts(read=found.total(), quarantined=found["dead"], written=found["stored"])


def _blocks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while block := list(islice(rows, _LINES)):
        yield block


if __name__ == "__main__":
    raise SystemExit(main(DrainSpec, run))
