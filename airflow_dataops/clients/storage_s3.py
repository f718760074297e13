# SPDX-License-Identifier: Apache-2.0
"""A lake in S3: whole objects, written on conditions where the endpoint keeps them, copied by the store itself."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from airflow_dataops.clients.object_reader import OpenedObject
from airflow_dataops.clients.s3 import S3Client, split
from airflow_dataops.clients.storage import TEMPORARY, FileInfo
from airflow_dataops.core.errors import DataOpsError, InputError, StorageDenied, StorageError

_T = TypeVar("_T")
SCHEMES = ("s3://", "s3a://")
_AT_ONCE = 16
_SETTLED = 1.0  # seconds after which a second writer without conditions has been heard of
_NAMES = ("S3_", "AWS_")


class S3Storage:
    """Objects below ``s3://bucket/…``; see :class:`~airflow_dataops.clients.storage.Storage` for each method.

    An object is whole or not there, so no name is ever temporary. Folders are only the beginnings of names.

    With conditional writes, :meth:`replace_if` lets the endpoint decide; that it really does is tried at the first write of this process in
    a bucket, since some endpoints ignore conditions. Without them (``S3_CONDITIONAL_WRITES=off``) it writes, waits a second and reads what
    stayed: of two writers in one moment the last one wins, and one that comes later than that second is not seen. Only one run at a time
    may then write a table.

    Args:
        client: Of the endpoint.
        settled: Seconds to wait where there are no conditions.
    """

    def __init__(self, client: S3Client, *, settled: float = _SETTLED) -> None:
        self._client, self._settled = client, settled
        self._proved: set[str] = set()

    @property
    def decides(self) -> bool:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        return self._client.settings.conditional_writes

    def read_bytes(self, path: str) -> bytes | None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        found = self._content(path)
        return None if found is None else found[0]

    def open(self, path: str) -> OpenedObject:
        """See :class:`~airflow_dataops.clients.storage.Storage`. It is read piece by piece, always of the same content."""
        found = self._head(path)
        if found is None:
            raise StorageError(f"object {path} is gone", hint="run it again once the delivery is complete")
        etag = str(found["ETag"])
        return OpenedObject(_looked_at(path, found), lambda start, end: self.piece(path, start, end, etag))

    def write_bytes(self, path: str, data: bytes) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        self._put(path, data)

    def replace_if(self, path: str, expected: bytes | None, data: bytes) -> bool:
        """See :class:`~airflow_dataops.clients.storage.Storage`, and the class for endpoints without conditions."""
        found = self._content(path)
        if (None if found is None else found[0]) != expected:
            return False
        if not self.decides:
            self._put(path, data)
            time.sleep(self._settled)
            return self.read_bytes(path) == data
        condition = {"IfNoneMatch": "*"} if found is None else {"IfMatch": found[1]}
        try:
            self._put(path, data, **condition)
        except DataOpsError as error:
            if error.code != "FAILED_PRECONDITION" and not (found and error.code == "SOURCE_MISSING"):
                raise
            # The answer to a first try may have been lost: then the object is what this very call has written.
            return self.read_bytes(path) == data
        try:
            self._prove(path, data, condition)
        except StorageDenied:
            # What nobody may rely on is taken back: a lease that stayed would keep out the run that follows with other settings.
            self.delete(path) if found is None else self._put(path, found[0])
            raise
        return True

    def copy(self, source: str, target: str) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        self.copy_all([(source, target)])

    def copy_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`. No byte comes here."""
        self._all(lambda pair: self._call("copy", pair[0], lambda: self._copy(*pair)), pairs)

    def take_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        self._all(lambda pair: self._call("write", pair[1], lambda: self._upload(*pair)), pairs)

    def find(self, folder: str) -> list[FileInfo]:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        return [info for info in self._listed(folder) if not _name(info.path).startswith(TEMPORARY)]

    def leftovers(self, folder: str) -> list[FileInfo]:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        return [info for info in self._listed(folder) if _name(info.path).startswith(TEMPORARY)]

    def info(self, path: str) -> FileInfo | None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        found = self._head(path)
        return None if found is None else _looked_at(path, found)

    def names(self, folder: str) -> list[str]:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        bucket, prefix = split(f"{folder}/")

        def ask() -> tuple[set[str], list[str]]:
            files: set[str] = set()
            folders: set[str] = set()
            for page in self._client.boto3.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, Delimiter="/"
            ):
                files |= {item["Key"] for item in page.get("Contents", ())}
                folders |= {item["Prefix"] for item in page.get("CommonPrefixes", ())}
            return files, sorted(folders)

        files, folders = self._call("list", folder, ask)
        # Stores that keep real folders (SeaweedFS) still list one whose last object was deleted.
        if folders and self._client.settings.endpoint_url:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                held = list(pool.map(lambda key: self._client.list_objects(f"s3://{bucket}/{key}", limit=1), folders))
            folders = [key for key, found in zip(folders, held, strict=True) if found]
        names = sorted(key[len(prefix) :] for key in {*files, *folders})
        return [name for name in names if name.strip("/") and not name.startswith(TEMPORARY)]

    def real(self, path: str) -> str:
        """See :class:`~airflow_dataops.clients.storage.Storage`. ``s3a://`` is another name of ``s3://``."""
        bucket, key = split(path)
        return f"s3://{bucket}/{key}".rstrip("/")

    def delete(self, path: str) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        bucket, key = split(path, object_needed=True)
        self._call("delete", path, lambda: self._client.boto3.delete_object(Bucket=bucket, Key=key))

    def delete_tree(self, folder: str) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`."""
        self._all(self.delete, [info.path for info in self._listed(folder)])

    def prune(self, folder: str, root: str) -> None:
        """See :class:`~airflow_dataops.clients.storage.Storage`. There are no folders that could be empty."""

    def piece(self, path: str, start: int, end: int, etag: str) -> bytes:
        """Return bytes of an object, ``end`` excluded, as long as its content is the one with this ETag.

        Raises:
            InputError: It was written anew (``SOURCE_CHANGED``).
        """
        try:
            found = self._get(path, Range=f"bytes={start}-{end - 1}", IfMatch=etag)
        except DataOpsError as error:
            if error.code not in ("FAILED_PRECONDITION", "SOURCE_MISSING", "STORAGE"):
                raise
            if error.code == "STORAGE" and error.details.get("status") != 416:
                raise
            found = None
        # Not every endpoint keeps a condition on a read: the answer's own ETag is looked at, too.
        if found is None or found[1] != etag:
            hint = "run it again once the delivery is complete"
            raise InputError(f"object {path} changed while it was read", hint=hint, code="SOURCE_CHANGED")
        return found[0]

    def _content(self, path: str) -> tuple[bytes, str] | None:
        """Return an object's bytes and their ETag."""
        try:
            return self._get(path)
        except DataOpsError as error:
            if error.code != "SOURCE_MISSING":
                raise
            return None

    def _get(self, path: str, **more: Any) -> tuple[bytes, str]:
        bucket, key = split(path, object_needed=True)

        def ask() -> tuple[bytes, str]:
            answer = self._client.boto3.get_object(Bucket=bucket, Key=key, **more)
            with contextlib.closing(answer["Body"]) as body:
                return bytes(body.read()), str(answer["ETag"])

        return self._call("read", path, ask)

    def _head(self, path: str) -> dict[str, Any] | None:
        bucket, key = split(path)
        if not key or key.endswith("/"):
            return None
        try:
            return dict(self._call("look at", path, lambda: self._client.boto3.head_object(Bucket=bucket, Key=key)))
        except DataOpsError as error:
            if error.code != "SOURCE_MISSING":
                raise
            return None

    def _put(self, path: str, data: bytes, **condition: str) -> None:
        bucket, key = split(path, object_needed=True)
        self._call("write", path, lambda: self._client.boto3.put_object(Bucket=bucket, Key=key, Body=data, **condition))

    def _prove(self, path: str, data: bytes, condition: Mapping[str, str]) -> None:
        """See that the condition, which no longer holds, is refused now: once in a bucket, with the very bytes that are there."""
        bucket = split(path)[0]
        if bucket in self._proved:
            return
        if "IfMatch" in condition and condition["IfMatch"] == (self._head(path) or {}).get("ETag"):
            return  # the same bytes again: the condition still holds, and nothing is proved
        with contextlib.suppress(StorageError):
            self._put(path, data, **condition)
            place = self._client.settings.endpoint_url or "AWS"
            raise StorageDenied(
                f"{place} ignores conditions on writes ({', '.join(condition)}): of two runs of one table both would win",
                hint=f"`dataops check-s3 s3://{bucket}`, then S3_CONDITIONAL_WRITES=off and one run at a time, or another endpoint",
                code="S3_NO_CONDITIONS",
                details={"path": path},
            )
        self._proved.add(bucket)

    def _copy(self, source: str, target: str) -> None:
        here, there = split(source, object_needed=True), split(target, object_needed=True)
        self._client.boto3.copy({"Bucket": here[0], "Key": here[1]}, *there)

    def _upload(self, here: str, path: str) -> None:
        with open(here, "rb") as file:
            self._client.boto3.upload_fileobj(file, *split(path, object_needed=True))

    def _listed(self, folder: str) -> list[FileInfo]:
        found = self._client.list_objects(f"{folder}/")
        begins = folder.partition("://")[0]
        files = [(f"{begins}://{one.uri.partition('://')[2]}", one) for one in found if not one.uri.endswith("/")]
        return sorted(
            (_info(path, one.size, one.etag, one.modified) for path, one in files), key=lambda info: info.path
        )

    def _all(self, do: Callable[[_T], Any], items: Iterable[_T]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(do, items))

    def _call(self, what: str, path: str, ask: Callable[[], _T]) -> _T:
        return self._client.call(what, path, ask)


def s3_storage() -> S3Storage:
    """Return this process's storage in S3; its environment says where and who (:meth:`~airflow_dataops.core.s3.S3Settings.from_env`).

    Raises:
        SpecError: One of the variables cannot be meant.
    """
    return _storage(tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(_NAMES))))


@functools.lru_cache(8)
def _storage(environ: tuple[tuple[str, str], ...]) -> S3Storage:
    return S3Storage(S3Client.from_env(dict(environ)))


def _looked_at(path: str, found: Mapping[str, Any]) -> FileInfo:
    return _info(path, int(found["ContentLength"]), found["ETag"], found["LastModified"])


def _info(path: str, size: int, etag: str, modified: Any) -> FileInfo:
    # A listing tells milliseconds where a look at one object tells seconds only.
    seconds = modified.timestamp()
    return FileInfo(path, size, f"{etag.strip(chr(34))}-{int(seconds)}", float(int(seconds)))


def _name(path: str) -> str:
    return path.rpartition("/")[2]


__all__ = ["SCHEMES", "S3Storage", "s3_storage"]
