# SPDX-License-Identifier: Apache-2.0
"""Archives whose bytes depend on their content alone: neither on when, where, nor by whom they were made."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from airflow_dataops.core.dataproc_dask.package import digest_of

_DAY_ONE = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_DOS_FOLDER = 0x10


def write_tar(path: Path, files: Iterable[tuple[str, Path | bytes]], *, level: int = 6) -> str:
    """Write a ``.tar.gz`` of files in the order of their names.

    Args:
        path: Where to.
        files: Name in the archive, and the file or its content.
        level: Of gzip; part of the content's form, so the same for all.

    Returns:
        The SHA-256 of the archive, in hex.
    """
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=level, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, source in sorted(files, key=lambda one: one[0]):
            _add(archive, name, source)
    return file_digest(path)


def write_zip(path: Path, files: Iterable[tuple[str, Path]]) -> str:
    """Write a ``.zip`` that Python can import from, and return its SHA-256 in hex.

    Every folder has an entry of its own: without one, Python does not see a package that has no ``__init__.py``.
    """
    named: dict[str, Path | None] = dict(files)
    named |= dict.fromkeys(f"{parent}/" for name in named for parent in PurePosixPath(name).parents if parent.name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, source in sorted(named.items(), key=lambda one: one[0]):
            info = zipfile.ZipInfo(name, _DAY_ONE)
            info.create_system = 3
            if source is None:
                info.external_attr = (stat.S_IFDIR | 0o755) << 16 | _DOS_FOLDER
                archive.writestr(info, b"")
            else:
                info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
                archive.writestr(info, source.read_bytes())
    return file_digest(path)


def files_below(folder: Path, without: Collection[Path] = ()) -> list[tuple[tuple[str, ...], Path]]:
    """Return all files below a folder with the parts of their paths; a link counts as what it points to.

    Args:
        folder: The folder.
        without: Folders that are not looked into, with all links in their paths followed.
    """
    found = []
    for parent, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not without or Path(parent, name).resolve() not in without)
        found += [Path(parent, name) for name in sorted(names)]
    return [(path.relative_to(folder).parts, path) for path in found if path.is_file()]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return digest_of(iter(lambda: file.read(_CHUNK), b""))


def _add(archive: tarfile.TarFile, name: str, source: Path | bytes) -> None:
    info = tarfile.TarInfo(name)
    info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "root", "root"
    if isinstance(source, bytes):
        import io

        info.size, info.mode = len(source), 0o644
        archive.addfile(info, io.BytesIO(source))
        return
    status = source.stat()
    info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
    with source.open("rb") as file:
        archive.addfile(info, file)


__all__ = ["file_digest", "files_below", "write_tar", "write_zip"]
