# SPDX-License-Identifier: Apache-2.0
"""Buckets as file systems of fsspec's, to read from: what DuckDB asks for when it opens an object."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

from airflow_dataops.clients.object_reader import OpenedObject
from airflow_dataops.clients.storage import FileInfo, storage_for


class Objects(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """Objects as files, Google's. Each file is one content of its object, also where that is written anew meanwhile."""

    protocol: str | tuple[str, ...] = "gs"
    scheme = "gs://"
    cachable = False

    def __init__(self, *args: Any, **storage_options: Any) -> None:
        super().__init__(*args, **storage_options)
        self._opened: dict[str, FileInfo] = {}

    def info(self, path: str, **_more: Any) -> dict[str, Any]:
        """Return name, size in bytes and kind of an object.

        Raises:
            FileNotFoundError: There is none.
        """
        uri = self._uri(path)
        found = storage_for(uri).info(uri)
        if found is None:
            raise FileNotFoundError(uri)
        return {"name": self._strip_protocol(path), "size": found.size, "type": "file", "modified": found.modified}

    def modified(self, path: str) -> datetime:
        """Return when an object was written: one that was opened, what was opened, without another request."""
        known = self._opened.get(self._uri(path))
        return datetime.fromtimestamp(known.modified if known else self.info(path)["modified"], UTC)

    def size(self, path: str) -> int:
        """Return the bytes of an object: of one that was opened, those of what was opened, without another request."""
        known = self._opened.get(self._uri(path))
        return known.size if known else int(self.info(path)["size"])

    def ls(self, path: str, detail: bool = True, **_more: Any) -> list[Any]:
        """Return the object of that very name: sources are listed elsewhere, with what is to be left out."""
        found = self.info(path)
        return [found] if detail else [found["name"]]

    def _open(self, path: str, mode: str = "rb", **_more: Any) -> OpenedObject:
        if mode != "rb":
            raise ValueError(f"{path} is opened with {mode!r}; objects are only read here")
        uri = self._uri(path)
        found = cast("OpenedObject", storage_for(uri).open(uri))
        self._opened[uri] = found.info
        return found

    def _uri(self, path: str) -> str:
        return self.scheme + str(self._strip_protocol(path))


class S3Objects(Objects):
    """Objects as files, those of S3."""

    protocol = ("s3", "s3a")
    scheme = "s3://"
