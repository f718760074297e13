# SPDX-License-Identifier: Apache-2.0
"""Small files of a job where it runs: ``gs://`` objects on a cluster, plain files on one machine."""

from __future__ import annotations

import os
from pathlib import Path

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import InputError

_LOCAL = "file://"


class JobFiles:
    """Reads and writes whole files by URI: ``gs://bucket/name``, ``file:///path`` or a path.

    It is :class:`~airflow_dataops.clients.storage.Storage` by what a driver is told; see there for errors and credentials.
    """

    def read(self, uri: str) -> bytes:
        """Return the content.

        Raises:
            InputError: It is not there (``FILE_MISSING``).
            StorageDenied: It may not be read.
            StorageError: The store did not answer.
        """
        path = _path(uri)
        content = storage_for(path).read_bytes(path)
        if content is None:
            raise _missing(uri)
        return content

    def write(self, uri: str, data: bytes) -> None:
        """Write or replace a file; a reader sees the old content or the new one.

        Raises:
            StorageDenied: It may not be written.
            StorageError: The store did not answer.
        """
        path = _path(uri)
        storage_for(path).write_bytes(path, data)

    def write_once(self, uri: str, data: bytes) -> bool:
        """Write a file unless there is one.

        Returns:
            Whether what is there is what this call was to write; False where it was there before.

        Raises:
            StorageDenied: It may not be written.
            StorageError: The store did not answer.
        """
        path = _path(uri)
        return storage_for(path).replace_if(path, None, data)

    def fetch(self, uri: str, folder: Path) -> Path:
        """Return a local file with the content; a file or folder that is local already is not copied.

        Raises:
            InputError: It is not there (``FILE_MISSING``).
        """
        if "://" not in uri or uri.startswith(_LOCAL):
            local = Path(_path(uri))
            if not local.exists():
                raise _missing(uri)
            return local
        path = folder / uri.rpartition("/")[2]
        path.write_bytes(self.read(uri))
        return path


def _path(uri: str) -> str:
    """Return the storage's name of a file."""
    return os.path.abspath(uri.removeprefix(_LOCAL)) if "://" not in uri or uri.startswith(_LOCAL) else uri


def _missing(uri: str) -> InputError:
    look = f"gcloud storage ls {uri}" if "://" in uri and not uri.startswith(_LOCAL) else f"ls -l {uri}"
    return InputError(f"{uri} is not there", hint=look, code="FILE_MISSING")


__all__ = ["JobFiles"]
