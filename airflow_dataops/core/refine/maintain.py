# SPDX-License-Identifier: Apache-2.0
"""Upkeep of a lake: what it is told, what it returns, and which files it puts together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import AwareDatetime, Field

from airflow_dataops.core.model import Model
from airflow_dataops.core.refine.publish import Moments, TableFile
from airflow_dataops.core.tables import FullSlice, JobResult, JobSpec, RunSlice, Slice, TargetSpec

_OURS = re.compile(r"^(?P<stem>.+)-\d{6}-\d{5}\.parquet$")
COMPACTED = "compacted"


class MaintainedTable(Model):
    """A table to look after.

    Attributes:
        target: The table.
        slice: What its runs own. Where that is the files of their own key, files of different runs stay apart.
    """

    target: TargetSpec
    slice: Slice = FullSlice()


class MaintainSpec(JobSpec):
    """Look after tables and the lake around them.

    Attributes:
        now: The time; nothing here asks the clock.
        tables: Tables to compact and to clean of files that no version needs.
        pipelines: Pipelines whose staging and bad rows are looked at.
        retention_days: Pipeline -> days that its bad rows are kept after their interval's end; one that is missing keeps them.
        small_file_bytes: Files below this are put together.
        target_file_bytes: Size up to which they are.
        vacuum_days: Days that a file which no version needs is kept for readers of old versions; never under 7.
        staging_days: Days after which what a run staged and never published is dead.
        dry_run: Only say what would be done.
    """

    job: Literal["maintain"] = "maintain"
    now: AwareDatetime
    tables: list[MaintainedTable] = []
    pipelines: list[str] = []
    retention_days: dict[str, int] = {}
    small_file_bytes: int = Field(default=32 * 2**20, ge=1)
    target_file_bytes: int = Field(default=256 * 2**20, ge=1)
    vacuum_days: int = Field(default=7, ge=7)
    staging_days: int = Field(default=7, ge=1)
    dry_run: bool = False


class MaintainResult(JobResult):
    """What upkeep did, or would do in a dry run.

    Attributes:
        compacted: Files that were put together.
        compacted_into: Files that they became.
        vacuumed: Files that no version needed.
        staging: Staging folders of runs that were given up.
        quarantine: Folders of bad rows that were kept long enough.
        actions: All of it, one line each.
    """

    job: Literal["maintain"] = "maintain"
    compacted: int = 0
    compacted_into: int = 0
    vacuumed: int = 0
    staging: list[str] = []
    quarantine: list[str] = []
    actions: list[str] = []


def groups(files: Iterable[TableFile], table: MaintainedTable, *, small: int, target: int) -> list[list[TableFile]]:
    """Return which small files become one: of the same partition, up to ``target`` bytes, at least two.

    Args:
        files: The table's files.
        table: The table; where runs own the files of their key, only files of one run go together.
        small: Files below this many bytes.
        target: Bytes that a group may have.
    """
    apart: dict[tuple[str, str], list[TableFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        if file.bytes < small and file.rows:
            folder = file.path.rpartition("/")[0]
            stem = stem_of(file.path) if isinstance(table.slice, RunSlice) else COMPACTED
            apart.setdefault((folder, stem), []).append(file)
    made = []
    for together in apart.values():
        group: list[TableFile] = []
        for file in together:
            if group and sum(member.bytes for member in group) + file.bytes > target:
                made.append(group)
                group = []
            group.append(file)
        made.append(group)
    return [group for group in made if len(group) > 1]


def stem_of(path: str) -> str:
    """Return how a file's name begins, up to the token; the whole name where it was not written by a publish."""
    name = path.rpartition("/")[2]
    found = _OURS.match(name)
    return found["stem"] if found else name.removesuffix(".parquet")


def compacted_path(group: list[TableFile], table: MaintainedTable, number: int, token: int) -> str:
    """Return the path of the file that a group becomes."""
    folder = group[0].path.rpartition("/")[0]
    stem = stem_of(group[0].path) if isinstance(table.slice, RunSlice) else COMPACTED
    name = f"{stem}-{token:06d}-{number:05d}.parquet"
    return f"{folder}/{name}" if folder else name


def together(moments: Iterable[Moments | None]) -> Moments | None:
    """Return what the window column of several files holds; None where that is not known of each."""
    known = list(moments)
    if any(one is None for one in known):
        return None
    lows = [one.low for one in known if one and one.low]
    highs = [one.high for one in known if one and one.high]
    return Moments(
        low=min(lows, default=None), high=max(highs, default=None), unknown=sum(one.unknown for one in known if one)
    )
