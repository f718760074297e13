# SPDX-License-Identifier: Apache-2.0
"""Objects in Google's buckets: a narrow door to ``google-cloud-storage`` that blocks, with one kind of error."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from airflow_dataops import __version__
from airflow_dataops.clients.google import AUTHS, CloudError, GoogleSettings, Shared, auth_error, clean, import_google
from airflow_dataops.core.machine import CallError

_T = TypeVar("_T")

EMULATOR = "STORAGE_EMULATOR_HOST"
_TIMEOUT = (5.0, 20.0)  # seconds until connected, and between two bytes
_UPLOAD_TIMEOUT = (5.0, 60.0)
_UPLOAD_SECONDS = 60.0  # so long a write is tried again that may be repeated
_CONNECTIONS = 32
_BY_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    504: "DEADLINE_EXCEEDED",
}


class Gcs:
    """Objects by their address, ``gs://bucket/name``. Every method blocks; any thread may call it.

    Nothing is read before it is asked for, and a read that gets an answer is tried once: its caller asks again anyway. A write that can
    be repeated without harm is tried again for a minute.

    Args:
        settings: As whom, and where.
    """

    def __init__(self, settings: GoogleSettings) -> None:
        self._settings = settings
        self._endpoint = settings.storage_endpoint or os.environ.get(EMULATOR)
        # A token never goes to an emulator, nor over a line that everybody can read.
        given = settings.storage_endpoint or ""
        self._anonymous = self._endpoint is not None and not given.startswith("https://")
        self._key = (*(() if self._anonymous else settings.identity), self._endpoint, settings.project)
        self._lock = threading.Lock()
        self._client: Any = None

    def read(self, uri: str, *, start: int = 0, size: int | None = None) -> bytes:
        """Return an object's bytes, or some of them; fewer than asked for where it ends before.

        Args:
            uri: The object.
            start: First byte.
            size: Most bytes; None for all that follow.

        Raises:
            CloudError: It is not there (``NOT_FOUND``) or cannot be read.
        """
        if size == 0:
            return b""
        end = None if size is None else start + size - 1
        part: dict[str, Any] = {} if start == 0 and end is None else {"start": start, "end": end, "checksum": None}
        try:
            return self._read(
                f"read {uri}",
                lambda: bytes(
                    self._blob(uri).download_as_bytes(raw_download=True, retry=None, timeout=_TIMEOUT, **part)
                ),
            )
        except CloudError as error:
            if error.code == "OUT_OF_RANGE":
                return b""
            raise

    def size(self, uri: str) -> int | None:
        """Return an object's size in bytes; None where it is not there.

        Raises:
            CloudError: That cannot be found out.
        """

        def ask() -> int:
            blob = self._blob(uri)
            blob.reload(retry=None, timeout=_TIMEOUT)
            return int(blob.size)

        try:
            return self._read(f"look at {uri}", ask)
        except CloudError as error:
            if error.code == "NOT_FOUND":
                return None
            raise

    def sizes(self, prefix_uri: str) -> dict[str, int]:
        """Return the objects whose address begins with ``prefix_uri``, and their sizes in bytes.

        Raises:
            CloudError: The bucket is not there or cannot be listed.
        """
        bucket, prefix = _split(prefix_uri)

        def ask() -> dict[str, int]:
            listed = self._connected().list_blobs(
                bucket, prefix=prefix, fields="items(name,size),nextPageToken", retry=None, timeout=_TIMEOUT
            )
            return {f"gs://{bucket}/{blob.name}": int(blob.size or 0) for blob in listed}

        return self._read(f"list {prefix_uri}", ask)

    def write(
        self, uri: str, data: bytes, *, if_absent: bool = False, content_type: str = "application/octet-stream"
    ) -> bool:
        """Write an object; False where it was there already and ``if_absent`` left it alone.

        Raises:
            CloudError: It cannot be written.
        """
        return self._put(
            uri,
            if_absent,
            lambda blob, how: blob.upload_from_string(data, content_type=content_type, timeout=_UPLOAD_TIMEOUT, **how),
        )

    def upload(self, uri: str, path: Path | str, *, if_absent: bool = True) -> bool:
        """Write a file as an object; False where it was there already and ``if_absent`` left it alone.

        Raises:
            CloudError: It cannot be written.
            OSError: The file cannot be read.
        """
        if if_absent and self.size(uri) is not None:
            return False
        return self._put(
            uri, if_absent, lambda blob, how: blob.upload_from_filename(str(path), timeout=_UPLOAD_TIMEOUT, **how)
        )

    def delete(self, uri: str) -> bool:
        """Delete an object; False where it was not there.

        Raises:
            CloudError: It cannot be deleted.
        """
        try:
            self._do(f"delete {uri}", lambda: self._blob(uri).delete(retry=None, timeout=_TIMEOUT))
        except CloudError as error:
            if error.code == "NOT_FOUND":
                return False
            raise
        return True

    def close(self) -> None:
        """Let go of the connection; the next call opens another one."""
        with self._lock:
            if self._client is None:
                return
            self._client = None
            _CLIENTS.release(self._key)
            self._release_auth()

    def _put(self, uri: str, if_absent: bool, put: Callable[[Any, dict[str, Any]], None]) -> bool:
        def send() -> None:
            retry = import_google("google.cloud.storage.retry").DEFAULT_RETRY.with_timeout(_UPLOAD_SECONDS)
            # Repeated after a lost answer, the condition says no to what this very call has written: that is as good as written.
            put(self._blob(uri), {"if_generation_match": 0, "retry": retry} if if_absent else {"retry": None})

        try:
            self._do(f"write {uri}", send)
        except CloudError as error:
            if if_absent and error.code == "FAILED_PRECONDITION":
                return False
            raise
        return True

    def _blob(self, uri: str) -> Any:
        bucket, name = _split(uri)
        return self._connected().bucket(bucket).blob(name)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                credentials = self._credentials()
                try:
                    self._client = _CLIENTS.acquire(self._key, lambda: self._connect(credentials))
                except BaseException:
                    self._release_auth()
                    raise
            return self._client

    def _credentials(self) -> Any:
        """Return the credentials that the calls to Dataproc use too, so that there is one token."""
        if self._anonymous:
            return import_google("google.auth.credentials").AnonymousCredentials()
        auth = AUTHS.acquire(self._settings.identity, self._settings.auth)
        try:
            return auth.load()
        except BaseException:
            AUTHS.release(self._settings.identity)
            raise

    def _release_auth(self) -> None:
        if not self._anonymous:
            AUTHS.release(self._settings.identity)

    def _connect(self, credentials: Any) -> Any:
        info = import_google("google.api_core.client_info").ClientInfo(user_agent=f"airflow-dataops/{__version__}")
        session = import_google("google.auth.transport.requests").AuthorizedSession(credentials)
        session.mount("https://", import_google("requests.adapters").HTTPAdapter(pool_maxsize=_CONNECTIONS))
        session.mount("http://", import_google("requests.adapters").HTTPAdapter(pool_maxsize=_CONNECTIONS))
        made = import_google("google.cloud.storage").Client(
            project=self._settings.project,
            credentials=credentials,
            _http=session,
            client_info=info,
            client_options={"api_endpoint": self._endpoint} if self._endpoint else None,
        )
        # Newer ones ask in the background for the metadata of each bucket, for traces; that takes a permission which nothing else needs.
        made._bucket_metadata_cache = None
        return made

    def _read(self, what: str, ask: Callable[[], _T]) -> _T:
        """Do it, and once more where a connection that was kept open had been closed by the other side."""
        try:
            return self._do(what, ask)
        except CloudError as error:
            if "Connection aborted" not in str(error.__cause__):
                raise
            return self._do(what, ask)

    def _do(self, what: str, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except (CloudError, OSError) as error:
            if isinstance(error, CloudError) or not _is_web(error):
                raise
            raise CloudError(storage_error(error), what) from error
        except Exception as error:
            if _module(error) not in ("google", "requests", "urllib3"):
                raise
            raise CloudError(storage_error(error), what) from error


def storage_error(error: BaseException) -> CallError:
    """Return an error of ``google-cloud-storage``, or of what it stands on, under the name that gRPC would have for it."""
    if type(error).__module__.startswith("google.auth"):
        return auth_error(error)
    status = getattr(error, "code", None)
    if status is not None:
        return CallError(status_name(int(status)), clean(str(getattr(error, "message", "") or error)))
    kind = type(error).__name__
    if "Timeout" in kind:
        return CallError("DEADLINE_EXCEEDED", clean(f"{kind}: {error}"))
    corrupt = kind == "DataCorruption"
    return CallError("DATA_LOSS" if corrupt else "UNAVAILABLE", clean(f"{kind}: {error}"))


def status_name(status: int) -> str:
    """Return the name that gRPC has for a status of HTTP."""
    return _BY_STATUS.get(status) or ("UNAVAILABLE" if status >= 500 else "UNKNOWN")


def _split(uri: str) -> tuple[str, str]:
    bucket, slash, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket or not slash or not name:
        said = f"{uri!r} is no address of an object: write gs://bucket/path"
        raise CloudError(CallError("INVALID_ARGUMENT", said), "find the object")
    return bucket, name


def _module(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _is_web(error: BaseException) -> bool:
    """Tell an error of the line (``requests`` calls its own ``OSError`` too) from one of a file here."""
    return _module(error) in ("requests", "urllib3") or isinstance(error, ConnectionError | TimeoutError)


_CLIENTS: Shared[Any] = Shared(lambda client: client.close())


__all__ = ["Gcs"]
