# SPDX-License-Identifier: Apache-2.0
"""Where delta-rs works on a table: in its folder, or, for a table in a bucket, on a copy of its log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from airflow_dataops.clients.delta_log import make_durable


class Place(Protocol):
    """Where delta-rs works on one table.

    Attributes:
        folder: What it is given as the table's folder.
    """

    folder: str

    def land(self, version: int) -> bool:
        """Make a version that delta-rs has committed in :attr:`folder` the table's, durably.

        Args:
            version: Its number.

        Returns:
            False where another writer has made that version before.

        Raises:
            StorageError: The store did not answer: the version is the table's or it is not; a look at the table tells.
        """
        ...

    def fetch_vectors(self) -> None:
        """See that the table's deletion vectors are in :attr:`folder`, too."""
        ...

    def vacuum(self, delete: Callable[[bool], list[str]], *, dry_run: bool) -> list[str]:
        """Delete files of the table that are not needed.

        Args:
            delete: Finds those in :attr:`folder` and deletes them there, unless its argument (dry run) is true; returns their names.
            dry_run: Only find them.

        Returns:
            Their names, relative to the table.
        """
        ...


class FolderPlace:
    """A table in a folder of this machine, or on a volume.

    Args:
        table: The folder.
    """

    def __init__(self, table: str) -> None:
        self.folder = table

    def land(self, version: int) -> bool:
        """See :class:`Place`. What is in the folder is the table's; the disk is made to have it."""
        make_durable(self.folder, version)
        return True

    def fetch_vectors(self) -> None:
        """See :class:`Place`. They are there."""

    def vacuum(self, delete: Callable[[bool], list[str]], *, dry_run: bool) -> list[str]:
        """See :class:`Place`."""
        return delete(dry_run)


def place_of(table: str) -> Place:
    """Return where delta-rs is to work on a table as it is now.

    Raises:
        StorageError: The table's store does not answer.
    """
    if "://" not in table:
        return FolderPlace(table)
    from airflow_dataops.clients.delta_mirror import BucketPlace

    return BucketPlace(table)


__all__ = ["FolderPlace", "Place", "place_of"]
