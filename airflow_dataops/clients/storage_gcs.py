# SPDX-License-Identifier: Apache-2.0
"""A lake in a bucket of Google's: whole objects, written on conditions, copied by the store itself."""

from __future__ import annotations

import contextlib
import functools
import mimetypes
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from airflow_dataops.clients.gcs import EMULATOR, Gcs
from airflow_dataops.clients.google import CloudError, GoogleSettings, import_google
from airflow_dataops.clients.object_reader import OpenedObject
from airflow_dataops.clients.storage import TEMPORARY, FileInfo
from airflow_dataops.core.errors import DataOpsError, InputError, StorageDenied, StorageError
from airflow_dataops.core.machine import CallError

_T = TypeVar("_T")
SCHEME = "gs://"
_TIMEOUT = (5.0, 60.0)
_SECONDS = 60.0  # so long a call is tried again; each may be repeated without harm, or has a condition
_AT_ONCE = 16
_DENIED = ("PERMISSION_DENIED", "UNAUTHENTICATED")


class GcsStorage(Gcs):
    """Objects below ``gs://bucket/…``; see :class:`~airflow_dataops.clients.storage.Storage` for each method.

    An object is whole or not there, so no name is ever temporary. Folders are only the beginnings of names. Credentials are those that
    Google's libraries find, or none at an emulator (``STORAGE_EMULATOR_HOST``).
    """

    decides = True

    def read_bytes(self, path: str) -> bytes | None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        found = self._content(path)
        return None if found is None else found[0]

    def open(self, path: str) -> OpenedObject:
        """See :class:`~airflow_dataops.clients.storage.Storage`. It is read piece by piece, always of the same generation."""
        found = self._call(path, "open", lambda: self._get(path))
        if found is None:
            raise StorageError(f"object {path} is gone", hint="run it again once the delivery is complete")
        generation = int(found.generation)
        return OpenedObject(_info(path, found), lambda start, end: self.piece(path, start, end, generation))

    def write_bytes(self, path: str, data: bytes) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        self._call(path, "write", lambda: self._upload(path, data))

    def replace_if(self, path: str, expected: bytes | None, data: bytes) -> bool:
        """See :class:`~airflow_dataops.clients.storage.Storage`. The store compares generations."""
        found = self._content(path)
        if (None if found is None else found[0]) != expected:
            return False
        generation = 0 if found is None else found[1]
        try:
            self._call(path, "write", lambda: self._upload(path, data, if_generation_match=generation))
        except DataOpsError as error:
            if error.code != "FAILED_PRECONDITION":
                raise
            # The answer to a first try may have been lost: then the object is what this very call has written.
            return self.read_bytes(path) == data
        return True

    def copy(self, source: str, target: str) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        self.copy_all([(source, target)])

    def copy_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`. No byte comes here."""
        self._all(lambda pair: self._call(pair[0], "copy", lambda: self._rewrite(*pair)), pairs)

    def take_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        self._all(lambda pair: self._call(pair[1], "write", lambda: self._upload_file(*pair)), pairs)

    def find(self, folder: str) -> list[FileInfo]:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        return [info for info in self._listed(folder) if not _name(info.path).startswith(TEMPORARY)]

    def leftovers(self, folder: str) -> list[FileInfo]:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        return [info for info in self._listed(folder) if _name(info.path).startswith(TEMPORARY)]

    def info(self, path: str) -> FileInfo | None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        if _split(path) is None:
            return None
        found = self._call(path, "look", lambda: self._get(path))
        return None if found is None else _info(path, found)

    def names(self, folder: str) -> list[str]:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        place = _split(f"{folder}/")
        if place is None:
            return []
        bucket, prefix = place

        def ask() -> list[str]:
            listed = self._list(bucket, prefix, delimiter="/", fields="items(name),prefixes,nextPageToken")
            files = [blob.name for blob in listed]
            return sorted(name[len(prefix) :] for name in {*files, *listed.prefixes})

        found = self._call(folder, "list", ask)
        return [name for name in found if name and name != "/" and not name.startswith(TEMPORARY)]

    def real(self, path: str) -> str:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        return path.rstrip("/")

    def delete(self, path: str) -> None:  # type: ignore[override] # nobody asks whether it was there
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        absent = import_google("google.api_core.exceptions").NotFound

        def ask() -> None:
            with contextlib.suppress(absent):
                self._blob(path).delete(retry=self._retry(), timeout=_TIMEOUT)

        self._call(path, "delete", ask)

    def delete_tree(self, folder: str) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        self._all(self.delete, [info.path for info in self._listed(folder)])

    def prune(self, folder: str, root: str) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`. There are no folders that could be empty."""

    def piece(self, path: str, start: int, end: int, generation: int) -> bytes:
        """Return bytes of one generation of an object, ``end`` excluded."""
        bucket, name = _split(path) or ("", "")

        def ask() -> bytes:
            blob = self._connected().bucket(bucket).blob(name, generation=generation)
            return bytes(
                blob.download_as_bytes(
                    raw_download=True, start=start, end=end - 1, checksum=None, retry=self._retry(), timeout=_TIMEOUT
                )
            )

        try:
            return self._call(path, "read", ask)
        except DataOpsError as error:
            if error.code != "FAILED_PRECONDITION":
                raise
            raise InputError(
                f"object {path} changed while it was read",
                hint="run it again once the delivery is complete",
                code="SOURCE_CHANGED",
            ) from error

    def _content(self, path: str) -> tuple[bytes, int] | None:
        """Return an object's bytes and their generation."""
        exceptions = import_google("google.api_core.exceptions")

        def ask() -> tuple[bytes, int] | None:
            while (found := self._get(path)) is not None:
                try:
                    return bytes(
                        found.download_as_bytes(
                            raw_download=True,
                            if_generation_match=found.generation,
                            retry=self._retry(),
                            timeout=_TIMEOUT,
                        )
                    ), int(found.generation)
                except (exceptions.PreconditionFailed, exceptions.NotFound):
                    continue  # written anew, or deleted, in between
            return None

        return self._call(path, "read", ask)

    def _get(self, path: str) -> Any:
        """Return the object with its metadata; None where it is not there."""
        bucket, name = _split(path) or ("", "")
        if not name:
            return None
        return self._connected().bucket(bucket).get_blob(name, retry=self._retry(), timeout=_TIMEOUT)

    def _upload(self, path: str, data: bytes, **condition: Any) -> None:
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"  # a page opens in the browser
        self._blob(path).upload_from_string(data, content_type=kind, retry=self._retry(), timeout=_TIMEOUT, **condition)

    def _upload_file(self, here: str, path: str) -> None:
        self._blob(path).upload_from_filename(here, retry=self._retry(), timeout=_TIMEOUT)

    def _rewrite(self, source: str, target: str) -> None:
        blob, token = self._blob(target), None
        while True:
            token, _, _ = blob.rewrite(self._blob(source), token=token, retry=self._retry(), timeout=_TIMEOUT)
            if token is None:
                return

    def _listed(self, folder: str) -> list[FileInfo]:
        bucket, prefix = _split(f"{folder}/") or ("", "")

        def ask() -> list[FileInfo]:
            fields = "items(name,size,generation,updated),nextPageToken"
            found = self._list(bucket, prefix, fields=fields)
            return [_info(f"{SCHEME}{bucket}/{blob.name}", blob) for blob in found if not blob.name.endswith("/")]

        return sorted(self._call(folder, "list", ask), key=lambda info: info.path)

    def _list(self, bucket: str, prefix: str, **options: Any) -> Any:
        return self._connected().list_blobs(bucket, prefix=prefix, retry=self._retry(), timeout=_TIMEOUT, **options)

    def _all(self, do: Callable[[_T], Any], items: Iterable[_T]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(do, items))

    def _retry(self) -> Any:
        return import_google("google.cloud.storage.retry").DEFAULT_RETRY.with_timeout(_SECONDS)

    def _call(self, path: str, verb: str, ask: Callable[[], _T]) -> _T:
        try:
            return self._do(f"{verb} {path}", ask)
        except CloudError as error:
            raise _translated(error, path, verb) from error


def gcs_storage() -> GcsStorage:
    """Return this process's storage in Google's buckets."""
    return _storage(os.environ.get(EMULATOR))


@functools.cache
def _storage(_emulator: str | None) -> GcsStorage:
    project = (
        os.environ.get("GOOGLE_CLOUD_PROJECT") or "unset"
    )  # objects belong to buckets: no call here names a project
    return GcsStorage(GoogleSettings(project=project, region=""))


def _info(path: str, blob: Any) -> FileInfo:
    modified = blob.updated.timestamp() if blob.updated else 0.0
    return FileInfo(path, int(blob.size or 0), str(blob.generation), modified)


def _split(uri: str) -> tuple[str, str] | None:
    """Return bucket and name; None for what is no address in a bucket."""
    bucket, slash, name = uri.removeprefix(SCHEME).partition("/")
    return (bucket, name) if uri.startswith(SCHEME) and bucket and slash else None


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _translated(error: CloudError, path: str, verb: str) -> DataOpsError:
    answer: CallError = error.error
    details = {"path": path, "code": answer.code}
    if answer.code in _DENIED:
        hint = "grant roles/storage.objectAdmin on the bucket to the account that this runs as"
        return StorageDenied(error.message, hint=hint, details=details)
    if answer.code == "NOT_FOUND" and verb in ("list", "write"):
        hint = "make the bucket, or correct the lake of the target in dataops.yaml"
        return StorageDenied(f"there is no bucket for {path}", hint=hint, code="BUCKET_MISSING", details=details)
    if answer.code in ("NOT_FOUND", "FAILED_PRECONDITION"):
        hint = "see that nothing else writes into the lake, and run it again"
        return StorageError(error.message, hint=hint, code="FAILED_PRECONDITION", details=details)
    return StorageError(error.message, hint="try again", details=details)
