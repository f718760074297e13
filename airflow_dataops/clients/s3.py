# SPDX-License-Identifier: Apache-2.0
"""Objects and Parquet in S3, at AWS or at an endpoint of one's own: one configuration, the same code."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

from airflow_dataops.clients.s3_errors import s3_error
from airflow_dataops.core.errors import InputError, MissingDependency, SpecError
from airflow_dataops.core.s3 import S3Keys, S3Settings

if TYPE_CHECKING:
    import pyarrow as pa

_T = TypeVar("_T")
SCHEME = "s3://"
INSTALL = "pip install 'airflow-dataops[s3]'"
_BEFORE_SIGN = "before-sign.s3"
_HIDDEN = ("_", ".")


@dataclass(frozen=True)
class S3Object:
    """An object as a listing shows it.

    Attributes:
        uri: ``s3://bucket/key``.
        size: Bytes.
        etag: Changes whenever the content does.
        modified: When it was written.
    """

    uri: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True)
class Connectivity:
    """An endpoint that answered.

    Attributes:
        endpoint: Its address; that of AWS where none is set.
        server: What it calls itself; empty where it does not say.
        seconds: How long the answer took.
        clock_skew: How far this machine's clock is ahead of the endpoint's, seconds; None where it told no time.
    """

    endpoint: str
    server: str
    seconds: float
    clock_skew: float | None


class S3Client:
    """A client of one endpoint. Every method blocks and is tried again where that helps; any thread may call it.

    Addresses are ``s3://bucket/key``; ``s3a://`` is understood, too.

    Args:
        settings: Where, and how it is spoken to.
        keys: The keys; None for those that AWS's libraries find by themselves.
    """

    def __init__(self, settings: S3Settings, keys: S3Keys | None = None) -> None:
        self.settings = settings
        self._keys = keys
        self._lock = threading.Lock()
        self._client: Any = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> S3Client:
        """Make a client from environment variables, see :meth:`~airflow_dataops.core.s3.S3Settings.from_env`.

        Raises:
            SpecError: One of them cannot be meant.
        """
        source = os.environ if environ is None else environ
        settings = S3Settings.from_env(source)
        return cls(settings, settings.keys(lambda name: source.get(name.removeprefix("env:"))))

    @property
    def keys(self) -> S3Keys | None:
        """The keys that were given."""
        return self._keys

    @property
    def boto3(self) -> Any:
        """The client of boto3, made when it is first needed.

        Raises:
            MissingDependency: boto3 is not installed.
        """
        with self._lock:
            if self._client is None:
                self._client = boto3_client(self.settings, self._keys)
            return self._client

    def list_objects(self, uri: str, *, limit: int | None = None) -> list[S3Object]:
        """Return the objects whose addresses begin with ``uri``, sorted by key.

        Args:
            uri: Bucket, folder (with a slash at its end) or the beginning of a name.
            limit: Most objects.

        Raises:
            DataOpsError: It cannot be listed; the code tells why (``S3_AUTH``, ``STORAGE_DENIED``, ``BUCKET_MISSING``, ``STORAGE`` …).
        """
        return self.call("list", uri, lambda: list(self._pages(uri, limit)))

    def read_parquet(self, uri: str, *, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of a Parquet file, or of all below a folder, partition folders (``day=1``) as columns.

        Args:
            uri: File, or folder.
            columns: Those wanted; all when omitted.

        Raises:
            InputError: There is none (``SOURCE_MISSING``), or one is no Parquet (``SOURCE_UNREADABLE``).
            DataOpsError: It cannot be read; the code tells why.
        """
        dataset = import_module("pyarrow.dataset")
        base, files = self._parquet_files(uri)
        try:
            found = dataset.dataset(
                files,
                filesystem=self.arrow(),
                format="parquet",
                partitioning="hive",
                partition_base_dir=base,
            )
            return cast("pa.Table", found.to_table(columns=None if columns is None else list(columns)))
        except (OSError, ValueError) as error:
            said = self._keys.hide(str(error)) if self._keys else str(error)
            hint = (
                "deliver the file again; `dataops check-s3 URI` tells whether the endpoint serves ranges as it should"
            )
            raise InputError(
                f"read {uri}: {said}", hint=hint, code="SOURCE_UNREADABLE", details={"path": uri}
            ) from error

    def write_parquet(self, table: pa.Table, uri: str, *, compression: str = "zstd") -> int:
        """Write rows as one Parquet file, in place of one that may be there: readers see the old one or the new one.

        Args:
            table: The rows.
            uri: The file.
            compression: As pyarrow names it.

        Returns:
            Its size, bytes.

        Raises:
            DataOpsError: It cannot be written; the code tells why.
        """
        bucket, key = split(uri, object_needed=True)
        parquet = import_module("pyarrow.parquet")
        with tempfile.TemporaryFile(suffix=".parquet") as file:
            parquet.write_table(table, file, compression=compression)
            size = file.tell()
            file.seek(0)
            self.call("write", uri, lambda: self.boto3.upload_fileobj(file, bucket, key))
        return size

    def read_text(self, uri: str, *, largest: int) -> str:
        """Return a small file of UTF-8 text.

        Args:
            uri: The file.
            largest: Most bytes that are taken.

        Raises:
            InputError: It is larger, or no UTF-8 (``SOURCE_UNREADABLE``).
            DataOpsError: It cannot be read; the code tells why.
        """
        bucket, key = split(uri, object_needed=True)
        data = self.call("read", uri, lambda: self.boto3.get_object(Bucket=bucket, Key=key)["Body"].read(largest + 1))
        try:
            if len(data) <= largest:
                return str(data, "utf-8")
            why = f"it is larger than {largest} bytes"
        except UnicodeDecodeError:
            why = "it is no UTF-8"
        raise InputError(f"read {uri}: {why}", hint="leave a small file of text there", code="SOURCE_UNREADABLE")

    def check_connectivity(self, uri: str) -> Connectivity:
        """Ask the endpoint for one name below ``uri``: it is reached, takes the keys, and lets them list.

        Raises:
            DataOpsError: It does not; the code tells why.
        """
        bucket, prefix = split(uri)
        begin, now = time.monotonic(), datetime.now(UTC)
        answer = self.call("list", uri, lambda: self.boto3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1))
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        endpoint = self.settings.endpoint_url or str(self.boto3.meta.endpoint_url)
        return Connectivity(endpoint, headers.get("server", ""), time.monotonic() - begin, _skew(headers, now))

    def arrow(self) -> Any:
        """Return a file system of pyarrow's; over s3fs where the endpoint takes signature v2 only.

        Raises:
            MissingDependency: s3fs is not installed, or pyarrow is too old for a CA bundle.
        """
        fs = import_module("pyarrow.fs")
        if self.settings.signature == "v2":
            return fs.PyFileSystem(fs.FSSpecHandler(self.fsspec()))
        try:
            return fs.S3FileSystem(**self.settings.for_pyarrow(self._keys))
        except TypeError as error:
            raise MissingDependency(
                "this pyarrow takes no CA bundle", hint="pip install -U pyarrow", code="S3_MISSING"
            ) from error

    def fsspec(self) -> Any:
        """Return a file system of s3fs, one of its own.

        Raises:
            MissingDependency: s3fs is not installed.
        """
        form = self.settings.for_fsspec(self._keys)
        if self.settings.signature == "v2":
            form["session"] = _imported("aiobotocore.session").AioSession()
            form["session"].register(_BEFORE_SIGN, _as_it_is_signed)
        return _imported("s3fs").S3FileSystem(**form, skip_instance_cache=True, use_listings_cache=False)

    def call(self, what: str, uri: str, ask: Callable[[], _T]) -> _T:
        """Do something with boto3.

        Args:
            what: ``list``, ``read``, ``write`` …, for the error.
            uri: With what.
            ask: Does it.

        Raises:
            DataOpsError: The endpoint refuses or does not answer.
        """
        exceptions = _imported("botocore.exceptions")
        try:
            return ask()
        except (exceptions.ClientError, exceptions.BotoCoreError, exceptions.HTTPClientError) as error:
            raise s3_error(error, what, uri, self.settings, self._keys) from _silent(error, self._keys)

    def _pages(self, uri: str, limit: int | None) -> Iterator[S3Object]:
        bucket, prefix = split(uri)
        paginator = self.boto3.get_paginator("list_objects_v2")
        for page in paginator.paginate(Bucket=bucket, Prefix=prefix, PaginationConfig={"MaxItems": limit}):
            for item in page.get("Contents", ()):
                etag = str(item.get("ETag", "")).strip('"')
                yield S3Object(f"{SCHEME}{bucket}/{item['Key']}", int(item["Size"]), etag, item["LastModified"])

    def _parquet_files(self, uri: str) -> tuple[str, list[str]]:
        """Return folder and files as pyarrow names them; it ends the process where a file does not lie below the folder."""
        bucket, prefix = split(uri)
        folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
        keys = [split(found.uri)[1] for found in self.list_objects(f"{SCHEME}{bucket}/{prefix}")]
        if prefix in keys and not prefix.endswith("/"):
            return bucket, [f"{bucket}/{prefix}"]
        files = [key for key in keys if key.startswith(folder) and _is_data(key[len(folder) :])]
        if not files:
            hint = "look with `aws s3 ls`; names that begin with _ or . are left out"
            raise InputError(f"no Parquet file at {uri}", hint=hint, code="SOURCE_MISSING", details={"path": uri})
        return f"{bucket}/{folder}".rstrip("/"), [f"{bucket}/{key}" for key in files]


def boto3_client(settings: S3Settings, keys: S3Keys | None = None, **more: Any) -> Any:
    """Return a client of boto3.

    Args:
        settings: Of the endpoint.
        keys: The keys; None for those that AWS's libraries find.
        more: Entries of ``botocore.config.Config`` that replace ours.

    Raises:
        MissingDependency: boto3 is not installed.
    """
    session = _imported("boto3.session").Session()
    form = settings.for_boto3(keys)
    config = _imported("botocore.config").Config(**{**form.pop("config"), **more})
    client = session.client("s3", config=config, **form)
    if settings.signature == "v2":
        client.meta.events.register(_BEFORE_SIGN, _as_it_is_signed)
    return client


def _as_it_is_signed(request: Any, **_more: Any) -> None:
    """Send ``/bucket/``: botocore signs that, by v2, also where it would send ``/bucket``, which servers then refuse."""
    parts = urlsplit(request.url)
    if request.auth_path == f"{parts.path}/":
        request.url = urlunsplit(parts._replace(path=request.auth_path))


def split(uri: str, *, object_needed: bool = False) -> tuple[str, str]:
    """Return bucket and key (or the beginning of keys) of ``s3://bucket/key``.

    Raises:
        SpecError: It is no such address (``S3_ADDRESS``).
    """
    scheme, found, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if (
        scheme not in ("s3", "s3a", "s3n")
        or not found
        or not bucket
        or (object_needed and (not key or key.endswith("/")))
    ):
        wanted = "s3://bucket/folder/file.parquet" if object_needed else "s3://bucket/folder"
        raise SpecError(f"{uri!r} is no address in S3", hint=f"write {wanted}", code="S3_ADDRESS")
    return bucket, key


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        raise MissingDependency(f"{missing}", hint=INSTALL, code="S3_MISSING") from missing


def _silent(error: BaseException, keys: S3Keys | None) -> BaseException | None:
    """Return the cause to keep: none where its text would tell a key."""
    return error if keys is None or keys.hide(str(error)) == str(error) else None


def _is_data(name: str) -> bool:
    return bool(name) and not any(part.startswith(_HIDDEN) for part in name.split("/")) and not name.endswith("/")


def _skew(headers: Mapping[str, str], now: datetime) -> float | None:
    try:
        return (now - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        return None


__all__ = ["Connectivity", "S3Client", "S3Object"]
