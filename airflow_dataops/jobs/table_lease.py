# SPDX-License-Identifier: Apache-2.0
"""The lease of a table, whatever its folder is called today."""

from __future__ import annotations

from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import Storage
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.publish import newest_token, table_digest


def table_name(storage: Storage, table: str) -> str:
    """Return the name of a table's lease and index: one for each folder, also where a link or ``..`` leads to it."""
    return table_digest(storage.real(table))


def table_lease(storage: Storage, layout: RunLayout, table: str, *, what: str) -> Lease:
    """Return the right to change a table, as a context manager.

    Where the lease is new and the table is not (its lake was moved, ``.dataops`` was deleted), tokens go on after those in the names of
    its files: a token that came twice would give a new file the name of an old one.

    Args:
        storage: Where the lake lies.
        layout: Paths of the run.
        table: Folder of the table.
        what: Who asks, for people.

    Raises:
        RunConflict: Another process holds it and does not give it back in time.
    """
    path = layout.lease(table_name(storage, table))
    return Lease(
        storage, path, table=table, what=what, earlier=lambda: newest_token(info.path for info in storage.find(table))
    )
