# SPDX-License-Identifier: Apache-2.0
"""Upkeep: small files, files that no version needs, staging that was given up, bad rows that were kept long enough."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from airflow_dataops.clients import delta
from airflow_dataops.clients.lease import is_live
from airflow_dataops.clients.storage import FileInfo, Storage, storage_for
from airflow_dataops.core.errors import StorageError, TransientError
from airflow_dataops.core.faults import FaultPoint
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.lease import LeaseState
from airflow_dataops.core.refine.maintain import MaintainedTable, MaintainResult, MaintainSpec
from airflow_dataops.jobs.compact import compact
from airflow_dataops.jobs.process import Progress, main
from airflow_dataops.jobs.quarantine import newest_time
from airflow_dataops.jobs.records import read_document
from airflow_dataops.jobs.timing import Timer


def run(
    spec: MaintainSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> MaintainResult:
    """Look after a lake.

    Args:
        spec: What to look after.
        secrets: Not needed here; all jobs are called alike.
        progress: Told what is being done, one line at a time.

    Returns:
        What was done, or would be done in a dry run. A table that is being changed is left for the next time, and said so.

    Raises:
        StorageError: The lake did not answer.
        InputError: A table cannot be read.
    """
    del secrets
    return _Upkeep(spec, progress or (lambda _line: None)).work()


class _Upkeep:
    """One run of the job; each kind of upkeep a method."""

    def __init__(self, spec: MaintainSpec, tell: Progress) -> None:
        self.spec, self.tell = spec, tell
        self.storage: Storage = storage_for(spec.lake)
        self.actions: list[str] = []
        self.compacted = self.into = self.vacuumed = 0
        self.timer = Timer()

    def work(self) -> MaintainResult:
        """Run all kinds."""
        for table in self._published():
            with self.timer("compact", FaultPoint.MAINTAIN_COMPACTED):
                self._compact(table)
            with self.timer("vacuum", FaultPoint.MAINTAIN_VACUUMED):
                self._vacuum(table)
        with self.timer("staging", FaultPoint.MAINTAIN_STAGING):
            staging = [folder for pipeline in self.spec.pipelines for folder in self._staging(pipeline)]
        with self.timer("quarantine", FaultPoint.MAINTAIN_QUARANTINE):
            days = self.spec.retention_days
            quarantine = [f for name in self.spec.pipelines if name in days for f in self._quarantine(name, days[name])]
        return MaintainResult(
            task=self.spec.task,
            run=self.spec.run,
            compacted=self.compacted,
            compacted_into=self.into,
            vacuumed=self.vacuumed,
            staging=staging,
            quarantine=quarantine,
            actions=self.actions,
            seconds=self.timer.seconds(),
        )

    def _published(self) -> list[MaintainedTable]:
        """The tables that are there; one that no run has published yet needs no upkeep."""
        tables = self.spec.tables
        return [one for one in tables if one.target.format != "delta" or delta.exists(one.target.path.rstrip("/"))]

    def _did(self, line: str) -> None:
        line = f"would {line}" if self.spec.dry_run else line
        self.actions.append(line)
        self.tell(line)

    def _compact(self, table: MaintainedTable) -> None:
        path = table.target.path
        try:
            done = compact(self.storage, self.spec, table)
        except StorageError:
            raise
        except TransientError as busy:
            self._did(f"leave {path} for the next time: {busy.message}")
            return
        if done.files:
            self.compacted += done.files
            self.into += done.into
            self._did(f"put {done.files} files of {path} together into {done.into}")

    def _vacuum(self, table: MaintainedTable) -> None:
        path = table.target.path.rstrip("/")
        if table.target.format == "delta":
            gone = delta.vacuum(path, days=self.spec.vacuum_days, dry_run=self.spec.dry_run)
        else:
            gone = [info.path for info in self.storage.leftovers(path) if self._older(info, self.spec.vacuum_days)]
            self._delete(gone)
        self.vacuumed += len(gone)
        if gone:
            self._did(f"delete {len(gone)} files of {path} that no version needs")

    def _staging(self, pipeline: str) -> list[str]:
        """Staging in which nothing was written for long, and which no publish holds or has still to finish."""
        root = RunLayout(self.spec.lake, pipeline, "").staging.rstrip("/")
        dead = []
        for name in self.storage.names(root):
            layout = RunLayout(self.spec.lake, pipeline, name.rstrip("/"))
            files = [*self.storage.find(layout.staging), *self.storage.leftovers(layout.staging)]
            if all(self._older(info, self.spec.staging_days) for info in files) and not self._in_use(layout):
                dead.append(layout.staging)
                self._did(
                    f"delete {layout.staging}: {len(files)} files, nothing written for {self.spec.staging_days} days"
                )
                if not self.spec.dry_run:
                    self.storage.delete_tree(layout.staging)
        return dead

    def _in_use(self, layout: RunLayout) -> bool:
        folder = layout.lease("").rpartition("/")[0]
        for name in self.storage.names(folder):
            state = read_document(f"{folder}/{name}", LeaseState) if name.endswith(".json") else None
            if state is None:
                continue
            mine = state.holder is not None and state.holder.what.endswith(f"{layout.pipeline} run {layout.run_key}")
            if (mine and is_live(state)) or (state.pending or "").startswith(layout.record + "/"):
                return True
        return False

    def _quarantine(self, pipeline: str, days: int) -> list[str]:
        root = RunLayout(self.spec.lake, pipeline, "").quarantine_root
        limit = self.spec.now - timedelta(days=days)
        gone = []
        for name in self.storage.names(root):
            folder = f"{root}/{name.rstrip('/')}"
            newest = max((newest_time(info) for info in self.storage.find(folder)), default=limit)
            if name.startswith("run_key=") and newest < limit:
                gone.append(folder)
                self._did(f"delete {folder}: kept since {newest.date()}, for more than {days} days")
                if not self.spec.dry_run:
                    self.storage.delete_tree(folder)
        return gone

    def _older(self, info: FileInfo, days: int) -> bool:
        return datetime.fromtimestamp(info.modified, UTC) < self.spec.now - timedelta(days=days)

    def _delete(self, paths: list[str]) -> None:
        if not self.spec.dry_run:
            for path in paths:
                self.storage.delete(path)


if __name__ == "__main__":
    raise SystemExit(main(MaintainSpec, run))
