# SPDX-License-Identifier: Apache-2.0
"""Compare topic, store and archive, exactly: counts by partition, and every difference."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from airflow_dataops.clients.metadata.parts import Parts, opened
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.metadata import reconcile
from airflow_dataops.core.metadata.drain import Bounds, Finding, PartitionId
from airflow_dataops.core.metadata.jobs import PartitionTally, ReconcileResult, ReconcileSpec, Verdict
from airflow_dataops.core.metadata.reconcile import Difference, Kind, Tally, Wanted
from airflow_dataops.core.metadata.telling import reconcile_reasons
from airflow_dataops.core.tables import RowCounts
from airflow_dataops.jobs import records
from airflow_dataops.jobs.metadata_drain import bounds_of_run, rows_of_run
from airflow_dataops.jobs.process import Progress, main

LISTED = "differences.jsonl"
_EXAMPLES = 100
_PAGE = 1000


def run(
    spec: ReconcileSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> ReconcileResult:
    """Compare and tell; every difference is a line of a file beside the run's records.

    Args:
        spec: What to compare.
        secrets: Reference -> value.
        progress: Told what is being done, one line at a time.

    Raises:
        TransientError: Log, store or archive did not answer.
    """
    tell = progress or (lambda _line: None)
    tally = Tally()
    with opened(spec, secrets) as parts, tempfile.TemporaryDirectory(dir=spec.resources.spill_dir) as scratch:
        work = _Work(spec, parts, tally, Path(scratch))
        path = Path(scratch, LISTED)
        with path.open("wb") as file:
            examples = _list(work.differences(), file)
        listed = _keep(spec, path) if tally.differences else None
    counts = [
        PartitionTally(
            partition=number, topic=tally.topic[number], archive=tally.archive[number], expired=tally.expired[number]
        )
        for number in sorted(tally.topic)
    ]
    for one in counts:
        tell(f"partition {one.partition}: {one.topic:,} in the topic, {one.archive:,} in the archive")
    differences = {kind.value: count for kind, count in sorted(tally.differences.items())}
    failed: Verdict = "failed" if spec.on_difference == "fail" else "warned"
    return ReconcileResult(
        task=spec.task,
        run=spec.run,
        verdict="passed" if tally.is_equal else failed,
        rows=RowCounts(read=sum(tally.topic.values())),
        partitions=counts,
        keys=tally.keys,
        stored=tally.stored,
        differences=differences,
        examples=examples,
        listed=listed,
        reasons=reconcile_reasons(differences, examples, listed),
    )


@dataclass
class _Work:
    """One comparison."""

    spec: ReconcileSpec
    parts: Parts
    tally: Tally
    scratch: Path

    def differences(self) -> Iterator[Difference]:
        """Yield all of them: by offset, then by key."""
        bounds = self._bounds()
        wanted = _Sorted(self.scratch / "wanted.sqlite")
        try:
            for partition, one in bounds.items():
                yield from self._by_offset(partition, one, wanted)
            yield from self._by_key(wanted)
        finally:
            wanted.close()

    def _bounds(self) -> dict[PartitionId, Bounds]:
        if self.spec.scope == "run":
            return bounds_of_run(self.spec)
        seen = self.parts.log.offsets()
        # All that is stored and archived by now; what comes later is for the next drain.
        return {partition: Bounds(Finding.WORK, 0, one.committed or one.start) for partition, one in seen.items()}

    def _by_offset(self, partition: PartitionId, one: Bounds, wanted: _Sorted) -> Iterator[Difference]:
        start = self.parts.log.offsets()[partition].start
        begin = max(one.begin, start)
        topic = (reconcile.entry_of(record) for record in self.parts.log.read(partition, begin, one.stop))
        if self.parts.archive is None:
            self.tally.archive[partition[1]] = self.tally.expired[partition[1]] = 0
            self.tally.topic[partition[1]] = sum(1 for _ in topic)
            rows = rows_of_run(self.spec, self.parts, partition, Bounds(one.finding, begin, one.stop))
            wanted.add(found for row in rows if (found := reconcile.wanted_of(partition[1], row)))
            return

        def archived() -> Iterator[reconcile.Entry]:
            for row in rows_of_run(self.spec, self.parts, partition, one):
                if (found := reconcile.wanted_of(partition[1], row)) is not None:
                    wanted.add([found])
                yield reconcile.entry_of(row)

        yield from reconcile.by_offset(partition[1], topic, archived(), start=start, stop=one.stop, tally=self.tally)

    def _by_key(self, wanted: _Sorted) -> Iterator[Difference]:
        whole = self.spec.scope == "all"
        store = self.parts.store.orders() if whole else self._orders(wanted.keys())
        for difference in reconcile.by_key(wanted.all(), store, tally=self.tally):
            if whole or difference.kind is not Kind.NEWER_IN_STORE:
                yield difference
        if not whole:  # an event of another run is newer: that is no difference
            self.tally.differences.pop(Kind.NEWER_IN_STORE, None)

    def _orders(self, keys: Iterator[str]) -> Iterator[tuple[str, str]]:
        while page := list(islice(keys, _PAGE)):
            found = self.parts.store.get(page)
            yield from ((key, found[key].order) for key in page if key in found)


class _Sorted:
    """Wanted events, sorted on disk.

    Args:
        path: A file that is not there yet.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("CREATE TABLE wanted (key TEXT, ord TEXT, part INTEGER, off INTEGER)")
        self._connection.execute("BEGIN")

    def add(self, events: Iterable[Wanted]) -> None:
        rows = ((one.key, one.order, one.partition, one.offset) for one in events)
        self._connection.executemany("INSERT INTO wanted VALUES (?, ?, ?, ?)", rows)

    def all(self) -> Iterator[Wanted]:
        for row in self._connection.execute("SELECT key, ord, part, off FROM wanted ORDER BY key, ord"):
            yield Wanted(*row)

    def keys(self) -> Iterator[str]:
        for (key,) in self._connection.execute("SELECT DISTINCT key FROM wanted ORDER BY key"):
            yield key

    def close(self) -> None:
        self._connection.close()


def _list(differences: Iterable[Difference], file: Any) -> list[dict[str, Any]]:
    examples: list[dict[str, Any]] = []
    for difference in differences:
        document = asdict(difference)
        if len(examples) < _EXAMPLES:
            examples.append(document)
        file.write(json.dumps(document).encode() + b"\n")
    return examples


def _keep(spec: ReconcileSpec, path: Path) -> str:
    target = f"{records.layout_of(spec).record}/{LISTED}"
    storage_for(target).take_all([(os.fspath(path), target)])
    return target


if __name__ == "__main__":
    raise SystemExit(main(ReconcileSpec, run))
