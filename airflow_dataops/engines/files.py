# SPDX-License-Identifier: Apache-2.0
"""The files behind a source: a file, a folder or a glob, listed through the storage."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import translate
from urllib.parse import unquote

from airflow_dataops.clients.storage import FileInfo, Storage
from airflow_dataops.core.errors import InputError

_MAGIC = re.compile(r"[*?\[]")
_PARTITION = re.compile(r"([A-Za-z_]\w*)=(.*)")
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def source_files(storage: Storage, path: str) -> list[FileInfo]:
    """Return the files of a source, sorted by path.

    Args:
        storage: Where it lies.
        path: A file, a folder (all files below it), or a glob with ``*``, ``?``, ``[…]`` and ``**``. Files and folders below it
            whose name starts with ``.`` or ``_`` are no data, unless the folder is a partition (``_day=1``).

    Raises:
        InputError: Nothing is there (``SOURCE_MISSING``), or a file has no byte (``SOURCE_UNREADABLE``).
    """
    path = path.rstrip("/")
    found = _expand(storage, path) if _MAGIC.search(path) else _below(storage, path)
    if not found:
        raise missing(storage, path)
    for info in found:
        if info.size == 0:
            raise unreadable(info.path, "it is empty (0 bytes), or a link that leads nowhere")
    return sorted({info.path: info for info in found}.values(), key=lambda info: info.path)


def root_of(path: str) -> str:
    """Return the folder below which ``key=value`` folders are columns.

    That is the source's path up to its first wildcard, without the ``key=value`` folders at its end: a run that reads
    ``…/orders/day=2024-01-31`` has a column ``day``, and a lake below ``…/env=prod/`` brings no column ``env``.
    """
    magic = _MAGIC.search(path)
    root = path[: magic.start()].rpartition("/")[0] if magic else path.rstrip("/")
    above, _, last = root.rpartition("/")
    if not magic and "." in last and "=" not in last:
        root, (above, _, last) = above, above.rpartition("/")  # a file in a partition's folder
    while above and _PARTITION.fullmatch(last):
        root, (above, _, last) = above, above.rpartition("/")
    return root


def partitions_below(root: str, path: str) -> dict[str, str | None]:
    """Return the ``key=value`` folders between ``root`` and a file; null where Hive writes its word for it."""
    folders = path[len(root) + 1 :].split("/")[:-1]
    found = [match for folder in folders if (match := _PARTITION.fullmatch(folder))]
    return {match[1]: None if match[2] == _HIVE_NULL else unquote(match[2]) for match in found}


def fingerprint(files: Iterable[FileInfo]) -> str:
    """Return a digest of names, sizes and change times."""
    text = "\n".join(f"{info.path}\0{info.size}\0{info.version}" for info in files)
    return hashlib.sha256(text.encode()).hexdigest()


def unreadable(path: str, why: str) -> InputError:
    """Return the error for a file that cannot be read."""
    return InputError(
        f"source file {path} cannot be read: {why}",
        hint="deliver the file again, or move it out of the source's path",
        code="SOURCE_UNREADABLE",
        details={"file": path},
    )


def _below(storage: Storage, path: str) -> list[FileInfo]:
    single = storage.info(path)
    if single:
        return [single]
    return [info for info in storage.find(path) if _is_data(info.path[len(path) + 1 :])]


def _is_data(relative: str) -> bool:
    return not any(part[0] in "._" and "=" not in part for part in relative.split("/"))


def _expand(storage: Storage, path: str) -> list[FileInfo]:
    """Walk only the folders that the glob can match."""
    first = _MAGIC.search(path)
    if first is None:
        return _below(storage, path)
    root, _, rest = path[: first.start()].rpartition("/")
    pattern, _, tail = (rest + path[first.start() :]).partition("/")
    if pattern == "**":
        wanted = re.compile(_regex(tail or "*"))
        return [i for i in _below(storage, root) if wanted.match(i.path[len(root) + 1 :])]
    wanted = re.compile(translate(pattern))
    hits = [n for n in storage.names(root) if wanted.match(n.rstrip("/")) and _is_data(n.rstrip("/"))]
    if tail:
        return [info for name in hits if name.endswith("/") for info in _expand(storage, f"{root}/{name}{tail}")]
    return [info for name in hits for info in _below(storage, f"{root}/{name.rstrip('/')}")]


def _regex(tail: str) -> str:
    """Return the expression for what follows ``**/``: any folders, then ``tail``, in which ``*`` stays within one name."""
    parts = []
    for part in tail.split("/"):
        inside = translate(part).replace("(?s:", "(?:").removesuffix("\\Z").removesuffix("\\z").replace(".*", "[^/]*")
        parts.append("(?:.*/)?" if part == "**" else inside + "/")
    return "(?:.*/)?" + "".join(parts).removesuffix("/") + "$"


def missing(storage: Storage, path: str, what: str = "no file matches") -> InputError:
    """Return the error that says what is there instead: the nearest folder that exists, and the names in it."""
    stop = _MAGIC.search(path)
    folder, wanted = (path[: stop.start()].rpartition("/")[0], "") if stop else (path, "")
    while folder and not storage.names(folder):
        folder, _, wanted = folder.rpartition("/")
    names = storage.names(folder or "/")
    close = get_close_matches(wanted, [name.rstrip("/") for name in names], n=1, cutoff=0.6)
    if f"{wanted}/" in names:  # the folder is there, and no data in it
        close = []
    hint = (
        f"did you mean {folder}/{close[0]!s}?" if close else "check source.path, or whether the data has been delivered"
    )
    listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    where = f"{folder or '/'} holds {listed}" if names else "no folder on the way to it exists"
    return InputError(f"{what} source path {path!r}; {where}", hint=hint, code="SOURCE_MISSING", details={"path": path})
