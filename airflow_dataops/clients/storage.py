# SPDX-License-Identifier: Apache-2.0
"""One small interface to where a lake lies: a folder now, an object store by one more class.

Everything that is published relies on four promises: a written file is whole or not there, a copy never shows half a file,
:meth:`Storage.replace_if` lets one of several writers win, and deleting what is gone is no error.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import wraps
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar, cast

from airflow_dataops.clients.storage_error import storage_error
from airflow_dataops.core.errors import SpecError

_Method = TypeVar("_Method", bound=Callable[..., Any])
TEMPORARY = ".tmp-"
_LOCKS = ".locks"
_SYNCS = 16
_NO_LINKS = (errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)


@dataclass(frozen=True)
class FileInfo:
    """A file as a listing shows it.

    Attributes:
        path: Full path or URI.
        size: Bytes.
        version: Changes whenever the content is written anew, and is kept by a copy where the store can share content.
        modified: Time of the last change, seconds since 1970.
    """

    path: str
    size: int
    version: str
    modified: float


class Storage(Protocol):
    """A file system or object store. Paths are absolute, folders without a slash at the end.

    Every method raises :class:`~airflow_dataops.core.errors.StorageError` where the store does not answer or is full, and
    :class:`~airflow_dataops.core.errors.StorageDenied` where it does not let this process in.
    """

    @property
    def decides(self) -> bool:
        """Whether the store itself decides in :meth:`replace_if`; where not, two writers may both believe that they won."""
        ...

    def read_bytes(self, path: str) -> bytes | None:
        """Return a file's content; None where there is no such file."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading from its start."""
        ...

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file whole and durably, in place of one that may be there."""
        ...

    def replace_if(self, path: str, expected: bytes | None, data: bytes) -> bool:
        """Write a file only if it still holds ``expected`` (None: only if it does not exist); return whether it was written."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Do :meth:`copy_all` for one file."""
        ...

    def copy_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Make each second path equal to the first, whole; all at once as far as the store can, and durable at the end.

        The two may share their content, so write neither in place.
        """
        ...

    def take_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Do :meth:`copy_all` for files of this machine, given first, as they come from a process here."""
        ...

    def find(self, folder: str) -> list[FileInfo]:
        """Return all files below a folder, sorted by path; none where it does not exist. Files in the making are left out."""
        ...

    def leftovers(self, folder: str) -> list[FileInfo]:
        """Return the files in the making below a folder: those of a process that was killed, or that still writes."""
        ...

    def info(self, path: str) -> FileInfo | None:
        """Return one file; None where there is no such file."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names directly in a folder, sorted, folders with a slash at the end; none where it does not exist."""
        ...

    def real(self, path: str) -> str:
        """Return the one name of a file or folder that may have several; it need not exist."""
        ...

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens where it is gone."""
        ...

    def delete_tree(self, folder: str) -> None:
        """Delete a folder and all below it; nothing happens where it is gone."""
        ...

    def prune(self, folder: str, root: str) -> None:
        """Delete a folder, and those above it below ``root``, where they hold nothing (a store without folders does nothing)."""
        ...


def _guarded(method: _Method) -> _Method:
    """Turn an operating system's error into one of ours that names the path."""

    @wraps(method)
    def call(self: LocalStorage, path: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, path, *args, **kwargs)
        except OSError as error:
            what, said = f"{method.__name__} of {path!r}", error.strerror or str(error)
            raise storage_error(what, error.errno, path=path, said=said) from error

    return cast(_Method, call)


class LocalStorage:
    """A folder of this machine, or of a volume that is mounted here."""

    decides = True

    @_guarded
    def read_bytes(self, path: str) -> bytes | None:
        """See :class:`Storage`."""
        try:
            return Path(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    @_guarded
    def open(self, path: str) -> BinaryIO:
        """See :class:`Storage`."""
        return Path(path).open("rb")

    @_guarded
    def write_bytes(self, path: str, data: bytes) -> None:
        """See :class:`Storage`."""
        with _made_whole(path) as temporary, Path(temporary).open("xb") as file:
            file.write(data)

    @_guarded
    def replace_if(self, path: str, expected: bytes | None, data: bytes) -> bool:
        """See :class:`Storage`. A lock file beside it makes the comparison and the write one step, also between hosts on NFS v4."""
        folder, name = os.path.split(path)
        os.makedirs(os.path.join(folder, _LOCKS), exist_ok=True)
        # With an ending of its own: readers' globs for `**/*.parquet` look into hidden folders, too.
        with Path(folder, _LOCKS, f"{name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.read_bytes(path) != expected:
                return False
            self.write_bytes(path, data)
            return True

    def copy(self, source: str, target: str) -> None:
        """See :class:`Storage`."""
        self.copy_all([(source, target)])

    def copy_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """See :class:`Storage`. Hard links where the volume has them: no byte is written twice, and a rename shows each."""
        temporaries: list[str] = []
        try:
            for source, target in pairs:
                temporaries.append(self._link(target, source))
            for temporary, (_, target) in zip(temporaries, pairs, strict=True):
                self._rename(target, temporary)
            if pairs:
                self._sync(os.path.commonpath([target for _, target in pairs]), {os.path.dirname(t) for _, t in pairs})
        finally:
            for temporary in temporaries:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    def take_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """See :class:`Storage`."""
        self.copy_all(pairs)

    @_guarded
    def _link(self, target: str, source: str) -> str:
        temporary = _temporary(target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copy2(source, temporary)
            sync(temporary)
        return temporary

    @_guarded
    def _sync(self, above: str, folders: Iterable[str]) -> None:
        """``above`` is what an error names."""
        del above
        sync_all(folders)

    @_guarded
    def _rename(self, target: str, temporary: str) -> None:
        os.replace(temporary, target)

    @_guarded
    def find(self, folder: str) -> list[FileInfo]:
        """See :class:`Storage`."""
        return self._walk(folder, temporary=False)

    @_guarded
    def leftovers(self, folder: str) -> list[FileInfo]:
        """See :class:`Storage`."""
        return self._walk(folder, temporary=True)

    def _walk(self, folder: str, *, temporary: bool) -> list[FileInfo]:
        found: list[FileInfo] = []
        folders = [folder]
        while folders:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders += [entry.path] if entry.name != _LOCKS else []
                    elif entry.name.startswith(TEMPORARY) is temporary:
                        found += _file_of(entry)
        return sorted(found, key=attrgetter("path"))

    @_guarded
    def info(self, path: str) -> FileInfo | None:
        """See :class:`Storage`."""
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _file_info(path, status) if stat.S_ISREG(status.st_mode) else None

    @_guarded
    def names(self, folder: str) -> list[str]:
        """See :class:`Storage`."""
        try:
            with os.scandir(folder) as entries:
                return sorted(e.name + ("/" if e.is_dir() else "") for e in entries if not e.name.startswith(TEMPORARY))
        except (FileNotFoundError, NotADirectoryError):
            return []

    @_guarded
    def real(self, path: str) -> str:
        """See :class:`Storage`. Links are followed; a folder that is mounted twice has two names all the same."""
        return os.path.realpath(path)

    @_guarded
    def delete(self, path: str) -> None:
        """See :class:`Storage`."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)

    @_guarded
    def delete_tree(self, folder: str) -> None:
        """See :class:`Storage`."""
        if os.path.isdir(folder) and not os.path.islink(folder):
            shutil.rmtree(folder, onerror=lambda _call, _path, error: _unless_gone(error[1]))

    @_guarded
    def prune(self, folder: str, root: str) -> None:
        """See :class:`Storage`."""
        while folder != root and folder.startswith(root + "/"):
            try:
                os.rmdir(folder)
            except OSError:
                return
            folder = os.path.dirname(folder)


def storage_for(uri: str) -> Storage:
    """Return the storage that holds ``uri``.

    Raises:
        SpecError: The scheme is not supported (``STORAGE_UNKNOWN``), or a local path is not absolute (``PATH_NOT_ABSOLUTE``).
    """
    if uri.startswith("gs://"):
        from airflow_dataops.clients.storage_gcs import gcs_storage

        return gcs_storage()
    if uri.startswith(("s3://", "s3a://")):
        from airflow_dataops.clients.storage_s3 import s3_storage

        return s3_storage()
    if "://" in uri:
        scheme = uri.split("://", 1)[0]
        raise SpecError(
            f"{uri!r}: storage {scheme}:// is not supported; known are local folders, gs:// and s3://",
            hint="use an absolute path, such as /data/lake (a mounted volume counts as local), gs://bucket/lake or s3://bucket/lake",
            code="STORAGE_UNKNOWN",
        )
    if not uri.startswith("/"):
        raise SpecError(
            f"path {uri!r} is not absolute", hint=f"write {os.path.abspath(uri)!r}", code="PATH_NOT_ABSOLUTE"
        )
    return LocalStorage()


@contextlib.contextmanager
def _made_whole(path: str) -> Iterator[str]:
    """Give a temporary name in the same folder; what is written there is synced and renamed to ``path`` at the end."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _temporary(path: str) -> str:
    # Without the file's ending: many readers' globs match hidden names too, and would read what a killed process left.
    return os.path.join(os.path.dirname(path), f"{TEMPORARY}{uuid.uuid4().hex}")


def sync_all(paths: Iterable[str]) -> None:
    """Do :func:`sync` for many paths; side by side, since a disk answers many at once as fast as one."""
    with ThreadPoolExecutor(_SYNCS) as pool:
        list(pool.map(sync, paths))


def sync(path: str) -> None:
    """Make a local file's content, or a folder's list of names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _file_of(entry: os.DirEntry[str]) -> list[FileInfo]:
    """Return a regular file; nothing for another thing, or what has gone in the meantime. A link that leads nowhere has no byte."""
    try:
        status = entry.stat()
    except OSError as error:
        if entry.is_symlink():
            return [FileInfo(entry.path, 0, "leads nowhere", 0.0)]
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return []
        raise
    return [_file_info(entry.path, status)] if stat.S_ISREG(status.st_mode) else []


def _file_info(path: str, status: os.stat_result) -> FileInfo:
    return FileInfo(path, status.st_size, f"{status.st_size}-{status.st_mtime_ns}", status.st_mtime)


def _unless_gone(error: BaseException) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error
