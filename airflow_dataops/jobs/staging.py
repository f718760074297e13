# SPDX-License-Identifier: Apache-2.0
"""What a run stages belongs to one try of it at a time."""

from __future__ import annotations

from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import Storage, storage_for
from airflow_dataops.core.errors import RunConflict
from airflow_dataops.core.layout import RunLayout


def staging_lease(layout: RunLayout, *, wait_seconds: float = 60) -> Lease:
    """Return the right to stage the run's table, as a context manager: a second try waits, then fails.

    Raises:
        RunConflict: Another try of the run holds it and does not give it back in time.
    """
    what = f"{layout.pipeline} run {layout.run_key}"
    return Lease(
        storage_for(layout.staging),
        layout.staging_lease,
        table=layout.staged_table,
        what=what,
        wait_seconds=wait_seconds,
    )


def delete_staging(storage: Storage, layout: RunLayout) -> None:
    """Delete all that the run has staged, unless another try of it is staging, or has staged anew."""
    try:
        with staging_lease(layout, wait_seconds=0):
            if storage.info(layout.manifest) is None:
                storage.delete_tree(layout.staging)
    except RunConflict:
        return
