# SPDX-License-Identifier: Apache-2.0
"""Bugs that somebody could have written, put into a job's process after its fork, so that a walk can show that it finds them.

The product knows nothing of this: each bug replaces functions of it in one process that a test has started and that ends with its job.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

delta: Any = import_module("airflow_dataops.clients.delta")
lease: Any = import_module("airflow_dataops.clients.lease")
parquet_table: Any = import_module("airflow_dataops.clients.parquet_table")
publish: Any = import_module("airflow_dataops.jobs.publish")
publish_plan: Any = import_module("airflow_dataops.jobs.publish_plan")
recovery: Any = import_module("airflow_dataops.jobs.recovery")


def plant(bug: str | None) -> None:
    """Put a bug of :data:`BUGS` into this process, until its end; None for none."""
    if bug is not None:
        BUGS[bug]()


def _recovery_is_off() -> None:
    recovery.recover = lambda _storage, held: held.mark(None) if held.pending else None


def _recovery_goes_back() -> None:
    recovery.direction = lambda _places: "back"


def _recovery_only_deletes() -> None:
    forward = parquet_table.roll_forward

    def roll_forward(storage: Any, record: Any, where: Any) -> float:
        seconds: float = forward(storage, record, dict.fromkeys(where, "table"))
        return seconds

    def recover(storage: Any, path: str, record: Any) -> None:
        roll_forward(storage, record, parquet_table.places(storage, record))
        recovery.finish(storage, path, record)

    recovery._recover_parquet = recover


def _recovery_of_delta_never_looks() -> None:
    delta.committed_token = lambda _state, _application: 10**9


def _finished_record_stays() -> None:
    """Neither is the lease told that the publish is over, nor is its record deleted."""
    mark, finish = lease.Lease.mark, recovery.finish

    def only_set(held: Any, pending: str | None) -> None:
        if pending is not None:
            mark(held, pending)

    def keep(storage: Any, path: str, record: Any) -> Any:
        data = storage.read_bytes(path)
        done = finish(storage, path, record)
        storage.write_bytes(path, data)
        return done

    lease.Lease.mark, recovery.finish = only_set, keep
    publish._clean_up = lambda storage, layout, _lease: publish.delete_staging(storage, layout)


def _finish_deletes_what_was_staged_since() -> None:
    finish = recovery.finish

    def forget(storage: Any, path: str, record: Any) -> Any:
        found = storage.info(record.manifest)
        return finish(storage, path, record.model_copy(update={"manifest_version": found.version}) if found else record)

    recovery.finish = forget


def _bad_rows_after_good_ones() -> None:
    commit, clean_up = publish.commit_quarantine, publish._clean_up

    given: list[tuple[Any, ...]] = []

    def later(*what: Any) -> str | None:
        given.append(what)
        storage, layout, _ = what
        return layout.quarantine if storage.find(f"{layout.staging}/quarantine") else None

    def both(storage: Any, layout: Any, lease: Any) -> None:
        for what in given:
            commit(*what)
        clean_up(storage, layout, lease)

    publish.commit_quarantine, publish._clean_up = later, both


def _rerun_appends() -> None:
    publish_plan._replace = lambda _work, _engine, _files, _folder: ([], [])


def _old_bad_rows_stay() -> None:
    publish._commits_itself = lambda _layout, _task: True


def _lease_taken_for_granted() -> None:
    lease.Lease.check = lambda _held: None


def _stale_gate_passes() -> None:
    publish.check_attempt = lambda _work: None


BUGS: dict[str, Callable[[], None]] = {
    found.__name__.removeprefix("_"): found
    for found in (
        _recovery_is_off,
        _recovery_goes_back,
        _recovery_only_deletes,
        _recovery_of_delta_never_looks,
        _finished_record_stays,
        _finish_deletes_what_was_staged_since,
        _bad_rows_after_good_ones,
        _rerun_appends,
        _old_bad_rows_stay,
        _lease_taken_for_granted,
        _stale_gate_passes,
    )
}
