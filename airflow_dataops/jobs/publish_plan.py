# SPDX-License-Identifier: Apache-2.0
"""From what is staged and what is in the table to a commit record; files that a slice or a key cuts through are written anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_dataops.core.errors import StorageError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine import publish as rules
from airflow_dataops.core.refine.publish import AddFile, CommitRecord, Moments, TableFile
from airflow_dataops.core.refine.spec import StagedFile
from airflow_dataops.core.slices import window_bounds
from airflow_dataops.core.tables import WindowSlice
from airflow_dataops.jobs.publish import Work
from airflow_dataops.jobs.table_files import Listed, TableIndex, measured

if TYPE_CHECKING:
    from airflow_dataops.engines.base import Engine

_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})


@dataclass(frozen=True)
class Planned:
    """A publish that can be committed.

    Attributes:
        record: What is to be done.
        looked_at: Files that could have been touched and stay.
        staying: Path -> version of all listed files that stay.
    """

    record: CommitRecord
    looked_at: list[TableFile]
    staying: dict[str, str]


def window_of(work: Work) -> str | None:
    """Return the window column of the run's slice; None for another kind of slice."""
    owned = work.spec.slice
    return owned.column if isinstance(owned, WindowSlice) and work.spec.target.mode == "replace" else None


def plan(
    work: Work, engine: Engine, listed: Mapping[str, Listed], index: TableIndex | None, attempt: int = 0
) -> Planned:
    """Measure, decide, and write anew what is cut through.

    Args:
        work: The publish.
        engine: Measures and rewrites.
        listed: The table's files.
        index: What is known of them.
        attempt: Number of the attempt; each has a folder of its own for rewritten files.

    Raises:
        PublishError: Staged rows lie outside of the slice, or have the same merge keys.
    """
    spec, columns = work.spec, {**(index.columns if index else {}), **work.manifest.columns}
    window = window_of(work)
    near = _in_reach(work, listed, index)
    files = measured(engine, work.table, near, index, window, columns)
    staged = _staged(work, engine, window)
    rules.check_staged(spec.slice, spec.run, [add.file for add in staged], work.manifest.columns, spec.target)
    folder = f"{work.rewritten}/{attempt}"
    if spec.target.mode == "merge":
        remove, rewritten = _merge(work, engine, files, folder, columns)
    else:
        remove, rewritten = _replace(work, engine, files, folder)
    reached(FaultPoint.PUBLISH_REWRITTEN)
    by_path = {file.path: file for file in files}
    rows_removed = sum(by_path[path].rows for path in remove) - sum(add.file.rows for add in rewritten)
    adds = [*staged, *rewritten]
    gone = set(remove)
    named = [_named(work, add, number, kept=number >= len(staged)) for number, add in enumerate(adds)]
    record = CommitRecord(
        run=spec.run,
        table=work.table,
        format=spec.target.format,
        token=work.lease.token,
        add=named,
        remove=remove,
        rows_removed=rows_removed,
        rows_written=sum(add.file.rows for add in staged),
        manifest=work.layout.manifest,
        manifest_version=_version(work, work.layout.manifest),
        quarantine=work.quarantine,
    )
    staying = {path: file.version for path, file in listed.items() if path not in gone}
    return Planned(record, [file for file in files if file.path not in gone], staying)


def added(work: Work, path: str, file: TableFile) -> AddFile:
    """Return a written file as one that joins the table, under the path that it has now."""
    return AddFile(source=path, version=_version(work, path), file=file)


def _in_reach(work: Work, listed: Mapping[str, Listed], index: TableIndex | None) -> Mapping[str, Listed]:
    """Return the files that the run may have to do with. One without rows is always among them, since it leaves."""
    spec, known = work.spec, index or TableIndex(work.spec.target.format)
    if spec.target.mode == "merge":
        return listed
    if isinstance(spec.slice, WindowSlice):
        column, (low, high) = spec.slice.column, window_bounds(spec.slice, spec.run)
        return {p: file for p, file in listed.items() if not known.apart(p, file.version, column, low, high)}
    owns = rules.owner(spec.slice, spec.run, work.manifest.columns)
    rows = {p: known.rows(p, file.version) if file.rows is None else file.rows for p, file in listed.items()}
    return {path: file for path, file in listed.items() if not rows[path] or owns(path, file.partition)}


def _staged(work: Work, engine: Engine, window: str | None) -> list[AddFile]:
    root, columns = work.layout.staged_table, work.manifest.columns
    versions = {file.path: _version(work, f"{root}/{file.path}") for file in work.manifest.files}
    noted = {file.path: window and staged_moments(file, window, columns) for file in work.manifest.files}
    listed = {
        file.path: Listed(versions[file.path], file.bytes, file.partition, file.rows)
        for file in work.manifest.files
        if window and noted[file.path] is None
    }
    looked_up = {file.path: file for file in measured(engine, root, listed, None, window, columns)}
    return [
        AddFile(
            source=f"{root}/{file.path}",
            version=versions[file.path],
            file=looked_up.get(file.path) or rules.staged_as_table(file, noted[file.path] or None),
        )
        for file in work.manifest.files
    ]


def staged_moments(file: StagedFile, window: str, columns: Mapping[str, str]) -> Moments | None:
    """Return what the writer noted of the window column; None where it has to be looked up.

    A text holds moments only as far as it casts, and a gate that has cut rows out of a file no longer knows its nulls.
    """
    if columns.get(window) not in _MOMENTS or window not in file.nulls:
        return None
    if file.window is None:
        return Moments(unknown=file.rows) if file.nulls[window] == file.rows else None
    low, high = (datetime.fromisoformat(text).astimezone(UTC) for text in file.window)
    return Moments(low=low, high=high, unknown=file.nulls[window])


def _replace(work: Work, engine: Engine, files: list[TableFile], folder: str) -> tuple[list[str], list[AddFile]]:
    spec = work.spec
    decided = rules.plan_replace(spec.slice, spec.run, files, work.manifest.columns, spec.target)
    if not isinstance(spec.slice, WindowSlice) or not decided.cut:
        return decided.remove, []
    from airflow_dataops.jobs import rewrite

    low, high = window_bounds(spec.slice, spec.run)
    by_path, rewritten = {file.path: file for file in files}, []
    for number, path in enumerate(decided.cut):
        target = f"{folder}/{number:05d}.parquet"
        rows = rewrite.outside_window(
            engine,
            f"{work.table}/{path}",
            target,
            column=spec.slice.column,
            low=low,
            high=high,
            drop=spec.target.partition_by,
        )
        rewritten += _kept(work, by_path[path], target, rows)
    remeasured = _measured_again(engine, rewritten, spec.slice.column)
    return [*decided.remove, *decided.cut], remeasured


def _merge(
    work: Work, engine: Engine, files: list[TableFile], folder: str, columns: Mapping[str, str]
) -> tuple[list[str], list[AddFile]]:
    keys, by = work.spec.target.keys, work.spec.target.partition_by
    empty = [file.path for file in files if file.rows == 0]
    staged = [f"{work.layout.staged_table}/{file.path}" for file in work.manifest.files]
    if not staged:
        return [], []
    from airflow_dataops.jobs import rewrite

    rewrite.open_staged(engine, staged, keys, columns)
    candidates = _candidates(work, files) if set(by) <= set(keys) else files
    full = {f"{work.table}/{file.path}": file for file in candidates if file.rows}
    held = rewrite.holding_keys(engine, list(full), keys, columns)
    remove, rewritten = list(empty), []
    for number, (path, rows) in enumerate(sorted(held.items())):
        file = full[path]
        remove.append(file.path)
        if rows < file.rows:
            target = f"{folder}/{number:05d}.parquet"
            kept = rewrite.without_keys(engine, path, target, keys=keys, types=columns, drop=by)
            rewritten += _kept(work, file, target, kept)
    return remove, rewritten


def _candidates(work: Work, files: list[TableFile]) -> list[TableFile]:
    """Files in partitions that something was staged for: where the keys name the partition, no other file can hold them."""
    wanted = {tuple(file.partition.get(name) for name in work.spec.target.partition_by) for file in work.manifest.files}
    return [file for file in files if tuple(file.partition.get(n) for n in work.spec.target.partition_by) in wanted]


def _kept(work: Work, old: TableFile, target: str, rows: int) -> list[AddFile]:
    if not rows:
        work.storage.delete(target)
        return []
    info = work.storage.info(target)
    size = info.size if info else 0
    return [added(work, target, TableFile(path=old.path, rows=rows, bytes=size, partition=old.partition))]


def _measured_again(engine: Engine, files: list[AddFile], window: str) -> list[AddFile]:
    if not files:
        return []
    root = files[0].source.rpartition("/")[0]
    listed = {add.source[len(root) + 1 :]: Listed(add.version, add.file.bytes, add.file.partition) for add in files}
    found = {file.path: file.moments for file in measured(engine, root, listed, None, window, {})}
    return [
        add.model_copy(update={"file": add.file.model_copy(update={"moments": found[add.source[len(root) + 1 :]]})})
        for add in files
    ]


def _named(work: Work, add: AddFile, number: int, *, kept: bool) -> AddFile:
    """Name a file as the run's own, unless it holds rows that others have written."""
    token, old = work.lease.token, add.file.path
    path = rules.kept_path(old, number, token) if kept else _own_path(work, old, number)
    return add.model_copy(update={"file": add.file.model_copy(update={"path": path})})


def _own_path(work: Work, staged: str, number: int) -> str:
    return rules.target_path(staged, work.spec.run, number, work.lease.token, work.spec.slice)


def _version(work: Work, path: str) -> str:
    info = work.storage.info(path)
    if info is None:
        raise StorageError(f"{path} is gone; another try of the run may be staging right now", hint="try again")
    return info.version
