# SPDX-License-Identifier: Apache-2.0
"""A publish that was cut short after its commit point: whoever takes the table's lease next finishes it, or takes it back."""

from __future__ import annotations

import logging

from airflow_dataops.clients import delta, parquet_table
from airflow_dataops.clients.delta_log import make_durable
from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import Storage
from airflow_dataops.core.errors import RunConflict
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine.publish import CommitRecord, direction
from airflow_dataops.jobs.records import read_document, write_document

log = logging.getLogger(__name__)


def recover(storage: Storage, lease: Lease) -> None:
    """Bring the table to one side of the publish that the lease points to, whichever run it belongs to.

    A parquet publish goes forward while its files are there, else back. A Delta publish is in the log or it is not (one of no rows that
    replaces none is never there: it is over); files that are in the folder but not in the log are no part of the table, and stay for
    ``dataops maintain``: a process that only seems dead may still commit them.
    """
    if lease.pending is None:
        return
    record = read_document(lease.pending, CommitRecord)
    if record is not None and record.token <= lease.token and record.state == "prepared":
        log.warning("finishing the publish of run %s to %s, which was cut short", record.run.key, record.table)
        reached(FaultPoint.RECOVERY_BEGUN)
        if record.format == "delta":
            _recover_delta(storage, lease.pending, record)
        else:
            _recover_parquet(storage, lease.pending, record)
        reached(FaultPoint.RECOVERY_DONE)
    lease.mark(None)
    reached(FaultPoint.RECOVERY_UNMARKED)


def put_in_force(storage: Storage, lease: Lease, pending: str, made: str) -> None:
    """Let the lease point to a commit record that has been written: the commit point of a parquet publish.

    Args:
        storage: The lake.
        lease: The table's lease.
        pending: The record.
        made: Folder of files that were written for this commit only.

    Raises:
        RunConflict: The lease was taken over. Record and files, which nobody would look for any more, are deleted.
    """
    try:
        lease.mark(pending)
    except RunConflict:
        # A mark whose answer got lost may have been seen: then whoever holds the lease needs both.
        if lease.pending != pending:
            storage.delete(pending)
            storage.delete_tree(made)
        raise


def finish(storage: Storage, path: str, record: CommitRecord) -> CommitRecord:
    """Delete what a finished publish had staged, unless the run has staged anew since, and file its record as done."""
    manifest = storage.info(record.manifest)
    if manifest and manifest.version == record.manifest_version:
        storage.delete(record.manifest)
        reached(FaultPoint.FINISH_MANIFEST_GONE)
    for add in record.add:
        staged = storage.info(add.source)
        if staged and staged.version == add.version:
            storage.delete(add.source)
    reached(FaultPoint.FINISH_STAGED_GONE)
    done = record.model_copy(update={"state": "done"})
    write_document(f"{path.rpartition('/')[0]}/commit.json", done)
    reached(FaultPoint.FINISH_FILED)
    storage.delete(path)
    reached(FaultPoint.FINISH_DONE)
    return done


def _recover_parquet(storage: Storage, path: str, record: CommitRecord) -> None:
    where = parquet_table.places(storage, record)
    if direction(where) == "back":
        parquet_table.roll_back(storage, record)
        return
    parquet_table.roll_forward(storage, record, where)
    finish(storage, path, record)


def _recover_delta(storage: Storage, path: str, record: CommitRecord) -> None:
    if not delta.exists(record.table):
        return
    state = delta.snapshot(record.table)
    token = delta.committed_token(state, record.application)
    nothing_to_commit = not record.add and not record.remove
    if nothing_to_commit or (token is not None and token >= record.token):
        make_durable(record.table)
        finish(storage, path, record.model_copy(update={"version": record.version or state.version}))
