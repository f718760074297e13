# SPDX-License-Identifier: Apache-2.0
"""Commit what a run staged: bad rows first, then the table, whole or not at all; nothing is lost or doubled by doing it again.

The steps, in order: gates, lease, recovery of a publish that was cut short, bad rows, plan, commit record, commit point, files,
index, end. Until the commit point the table is as it was; after it, whoever comes next finishes the work from the record.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import Storage, storage_for
from airflow_dataops.core.dq_gate.spec import GateResult, GateSpec
from airflow_dataops.core.errors import PublishError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.publish import CommitRecord
from airflow_dataops.core.refine.spec import PublishResult, PublishSpec, StageManifest
from airflow_dataops.core.tables import RowCounts
from airflow_dataops.jobs import recovery
from airflow_dataops.jobs.process import Progress, main
from airflow_dataops.jobs.records import layout_of, read_document, read_result, read_spec
from airflow_dataops.jobs.staging import delete_staging
from airflow_dataops.jobs.table_lease import table_lease, table_name


@dataclass
class Work:
    """One publish while it goes on.

    Attributes:
        spec: What was asked.
        storage: Where the lake and the table lie.
        layout: Paths of the run.
        lease: The table's lease.
        manifest: What was staged.
        quarantine: Folder of the run's bad rows; None where there are none.
        seconds: Step -> wall seconds.
        progress: Told what is being done.
    """

    spec: PublishSpec
    storage: Storage
    layout: RunLayout
    lease: Lease
    manifest: StageManifest
    quarantine: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    progress: Progress = lambda _line: None

    @property
    def table(self) -> str:
        """Folder of the table."""
        return self.spec.target.path.rstrip("/")

    @property
    def rewritten(self) -> str:
        """Folder of files that this publish writes anew: no other one writes there, not even another try of the run."""
        return f"{self.layout.staging}/rewritten/{self.lease.token:06d}"

    @property
    def index(self) -> str:
        """File that remembers what the table's files hold."""
        return self.layout.table_index(table_name(self.storage, self.table))

    @contextmanager
    def step(self, name: str, line: str, done: FaultPoint) -> Iterator[None]:
        """Time a step and say what it does; ``done`` is where the work has come to at its end."""
        self.progress(line)
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 4)
        reached(done)


def run(
    spec: PublishSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> PublishResult:
    """Publish what the run has staged.

    Args:
        spec: What to publish where.
        secrets: Not needed here; all jobs are called alike.
        progress: Told what is being done, one line at a time.

    Returns:
        What the commit did; ``already_done`` where an earlier try had finished and nothing was staged since.

    Raises:
        PublishError: A gate has not passed, nothing is staged, or the table cannot take it; the table is as it was.
        RunConflict: Another process is changing the table.
        StorageError: The lake did not answer; the next try goes on.
    """
    del secrets
    layout, storage = layout_of(spec), storage_for(spec.lake)
    table = spec.target.path.rstrip("/")
    storage_for(table)
    check_gates(spec, layout)
    what = f"{spec.run.pipeline} run {spec.run.key}"
    with table_lease(storage, layout, table, what=what) as lease:
        reached(FaultPoint.PUBLISH_LEASED)
        recovery.recover(storage, lease)
        reached(FaultPoint.PUBLISH_RECOVERED)
        manifest = read_document(layout.manifest, StageManifest)
        if manifest is None:
            return _already_done(spec, storage, layout, lease)
        work = Work(spec, storage, layout, lease, manifest, progress=progress or (lambda _line: None))
        check_attempt(work)
        check_staged_files(work)
        reached(FaultPoint.PUBLISH_CHECKED)
        with work.step("quarantine", "committing the bad rows", FaultPoint.PUBLISH_BAD_ROWS):
            work.quarantine = commit_quarantine(storage, layout, lease)
        if spec.target.format == "delta":
            from airflow_dataops.jobs.publish_delta import publish
        else:
            from airflow_dataops.jobs.publish_parquet import publish
        result = publish(work)
        with work.step("cleanup", "deleting the staged files", FaultPoint.PUBLISH_CLEANED):
            _clean_up(storage, layout, lease)
        return result.model_copy(update={"seconds": work.seconds})


def check_gates(spec: PublishSpec, layout: RunLayout) -> None:
    """Raise unless every gate of the run has a result, and none failed.

    Raises:
        PublishError: ``GATE_MISSING`` or ``GATE_NOT_PASSED``.
    """
    for task in spec.gates:
        found = read_result(layout, task, GateResult)
        if found is None:
            raise PublishError(
                f"gate {task!r} of run {spec.run.key} has left no result, so nothing is published",
                hint=f"run {task!r} first",
                code="GATE_MISSING",
            )
        if not isinstance(found, GateResult) or found.status == "failed" or found.verdict == "failed":
            reasons = found.reasons if isinstance(found, GateResult) else [str((found.error or {}).get("message", ""))]
            raise PublishError(
                f"gate {task!r} of run {spec.run.key} has not passed: {'; '.join(reasons) or 'it failed'}",
                hint="mend the data or the rules and run the pipeline again from that gate",
                code="GATE_NOT_PASSED",
            )


def check_attempt(work: Work) -> None:
    """Raise unless the gates of the run have looked at what is staged now, and not at what another try had staged.

    Raises:
        PublishError: ``GATE_STALE``.
    """
    manifest = work.manifest
    for task in work.spec.gates:
        found = read_result(work.layout, task, GateResult)
        if not isinstance(found, GateResult):
            continue
        checked = manifest.excluded.get(task, found.fingerprint)
        if found.attempt not in (None, manifest.attempt) or found.fingerprint != checked:
            raise PublishError(
                f"gate {task!r} of run {work.spec.run.key} has checked other rows than those that are staged: another try of the run is "
                "at work, or a step was done again without those after it",
                hint=f"run {task!r} and the steps after it again",
                code="GATE_STALE",
            )


def check_staged_files(work: Work) -> None:
    """Raise unless every file of the manifest is there with its size.

    Raises:
        PublishError: ``STAGED_FILES_CHANGED``.
    """
    for file in work.manifest.files:
        path = f"{work.layout.staged_table}/{file.path}"
        info = work.storage.info(path)
        if info is None or info.size != file.bytes:
            found = "is gone" if info is None else f"has {info.size} bytes instead of {file.bytes}"
            raise PublishError(
                f"staged file {path} {found}; another try of the run may be staging right now",
                hint="run the refine step again",
                code="STAGED_FILES_CHANGED",
            )


def _clean_up(storage: Storage, layout: RunLayout, lease: Lease) -> None:
    """Delete what the run has staged, unless another try of it has staged anew meanwhile, and the records of publishes that are over.

    A record with a newer token is of another try, which took the table over while this one stood still, and may have to be finished by it.
    """
    delete_staging(storage, layout)
    for name in storage.names(layout.record):
        found = re.fullmatch(r"commit-(\d+)\.json", name)
        if found and int(found[1]) <= lease.token:
            storage.delete(f"{layout.record}/{name}")


def commit_quarantine(storage: Storage, layout: RunLayout, lease: Lease) -> str | None:
    """Put the run's bad rows where they stay, in place of those that an earlier try left; returns their folder, or None.

    Raises:
        RunConflict: The lease was taken over in the meantime: what lies there may be of another try, which has published.
    """
    staged = {info.path.rpartition("/")[2]: info.path for info in storage.find(f"{layout.staging}/quarantine")}
    lease.check()
    storage.copy_all([(path, f"{layout.quarantine}/{name}") for name, path in staged.items()])
    reached(FaultPoint.PUBLISH_BAD_ROWS_JOINED)
    lease.check()
    for info in storage.find(layout.quarantine):
        name = info.path.rpartition("/")[2]
        if name not in staged and not _commits_itself(layout, name.removesuffix(".parquet")):
            storage.delete(info.path)
    if not staged:
        storage.prune(layout.quarantine, layout.quarantine_root)
    return layout.quarantine if staged else None


def _commits_itself(layout: RunLayout, task: str) -> bool:
    """Whether the rows belong to a gate that stands on its own in the same run."""
    spec = read_spec(layout, task, GateSpec)
    return spec is not None and spec.commit_quarantine


def result_of(spec: PublishSpec, record: CommitRecord, *, already_done: bool = False) -> PublishResult:
    """Return the result that a commit record stands for."""
    return PublishResult(
        task=spec.task,
        run=spec.run,
        table=record.table,
        files_added=len(record.add),
        files_removed=len(record.remove),
        rows_removed=record.rows_removed,
        rows=RowCounts(written=record.rows_written),
        bytes_written=sum(add.file.bytes for add in record.add),
        version=record.version,
        already_done=already_done,
        quarantine_uri=record.quarantine,
        versions=_versions(),
    )


def _already_done(spec: PublishSpec, storage: Storage, layout: RunLayout, lease: Lease) -> PublishResult:
    record = read_document(layout.commit, CommitRecord)
    if record is None or record.state != "done":
        raise PublishError(
            f"run {spec.run.key} of {spec.run.pipeline!r} has staged nothing",
            hint="run the refine step first",
            code="NOTHING_STAGED",
        )
    if record.table != spec.target.path.rstrip("/"):
        raise PublishError(
            f"run {spec.run.key} was published to {record.table}, and nothing is staged for {spec.target.path}",
            hint="run the refine step again for the new table",
            code="NOTHING_STAGED",
        )
    _clean_up(storage, layout, lease)
    return result_of(spec, record, already_done=True)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("deltalake", "duckdb", "pyarrow")}


if __name__ == "__main__":
    raise SystemExit(main(PublishSpec, run))
