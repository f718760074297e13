# SPDX-License-Identifier: Apache-2.0
"""Where the lake of a walk lies, and how it is put back to what it was: a folder, or a bucket of a real S3 server."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from airflow_dataops.clients.storage import Storage, storage_for


class Place(Protocol):
    """A folder or an address, with copies of what was there.

    Attributes:
        address: Of all that a run reads and writes.
    """

    address: str

    def keep(self, name: str) -> None:
        """Remember all that is there now."""
        ...

    def restore(self, name: str) -> None:
        """Put back what was remembered."""
        ...


class FolderPlace:
    """A folder of this machine.

    Args:
        root: Folder for it and its copies.
    """

    def __init__(self, root: Path) -> None:
        self._now, self._copies = root / "now", root / "copies"
        self.address = str(self._now)

    def keep(self, name: str) -> None:
        """See :class:`Place`."""
        shutil.copytree(self._now, self._copies / name, symlinks=True)

    def restore(self, name: str) -> None:
        """See :class:`Place`."""
        shutil.rmtree(self._now)
        shutil.copytree(self._copies / name, self._now, symlinks=True)


@dataclass(frozen=True)
class BucketPlace:
    """The beginning of names in a bucket.

    Args:
        root: Address for it and its copies.
    """

    root: str

    @property
    def address(self) -> str:  # type: ignore[override] # a protocol's attribute
        """See :class:`Place`."""
        return f"{self.root}/now"

    def keep(self, name: str) -> None:
        """See :class:`Place`."""
        _copy(self.address, f"{self.root}/copies/{name}")

    def restore(self, name: str) -> None:
        """See :class:`Place`."""
        _copy(f"{self.root}/copies/{name}", self.address)


def _copy(here: str, there: str) -> None:
    """Make ``there`` hold what ``here`` does; what has the same content already is left alone, since requests are what a walk waits for."""
    storage = storage_for(here)
    wanted, found = _contents(storage, here), _contents(storage, there)
    for name in found.keys() - wanted.keys():
        storage.delete(there + name)
    storage.copy_all([(here + name, there + name) for name, content in wanted.items() if found.get(name) != content])


def _contents(storage: Storage, folder: str) -> dict[str, str]:
    """Return name below the folder -> ETag of its content, without the time at which it was written."""
    found = (*storage.find(folder), *storage.leftovers(folder))
    return {info.path.removeprefix(folder): info.version.split("-")[0] for info in found}


def delta_options(path: str) -> dict[str, str]:
    """Return what a stranger gives delta-rs to open a table: nothing for a folder."""
    if "://" not in path:
        return {}
    from airflow_dataops.core.s3 import S3Settings

    settings = S3Settings.from_env(os.environ)
    return settings.for_delta(settings.keys(lambda name: os.environ.get(name.removeprefix("env:"))))


def reach(connection: Any, path: str) -> Any:
    """Let a connection of DuckDB read a path, and return it."""
    if "://" in path:
        from airflow_dataops.clients.objects_fs import S3Objects

        connection.register_filesystem(S3Objects())
    return connection
