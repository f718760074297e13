# SPDX-License-Identifier: Apache-2.0
"""The table that a gate checks: a slice of a source, or what the run has staged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.dq_gate.plan import SOURCE
from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.dq_gate.trees import column, named
from airflow_dataops.core.errors import DataOpsError, InputError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.model import Model
from airflow_dataops.core.refine.spec import StagedFile, StageManifest
from airflow_dataops.core.sql.types import parse_type
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW, FullSlice
from airflow_dataops.engines.base import Engine, SourceInfo
from airflow_dataops.jobs import records

if TYPE_CHECKING:
    from airflow_dataops.core.layout import RunLayout

_STAGED = "staged"


@dataclass(frozen=True)
class CheckedTable:
    """The table behind the view :data:`~airflow_dataops.core.dq_gate.plan.SOURCE`.

    Attributes:
        info: Its files.
        columns: Column -> canonical type.
        manifest: What is staged; None for a source.
    """

    info: SourceInfo
    columns: dict[str, str]
    manifest: StageManifest | None = None

    @property
    def rejected(self) -> str:
        """View of the lines that did not decode."""
        return f"{SOURCE}_rejected"


class TakenOut(Model):
    """What a gate did to the staged table; a try that finds its own work starts from ``before`` again, and loses no bad row.

    Attributes:
        before: What was staged.
        after: What is staged without the bad rows.
    """

    before: StageManifest
    after: StageManifest


def open_table(engine: Engine, spec: GateSpec) -> CheckedTable:
    """Make the view of the rows to check, not cut to the slice yet.

    Raises:
        InputError: The source cannot be read, or nothing is staged (``STAGE_MISSING``).
    """
    layout = records.layout_of(spec)
    if spec.source is not None:
        info = engine.open_source(spec.source, SOURCE, decoded=layout.decoded_source)
        return CheckedTable(info, info.columns)
    manifest = _manifest(spec, layout)
    return _open_staged(engine, layout, manifest)


def slice_test(spec: GateSpec, columns: Mapping[str, str]) -> exp.Expression | None:
    """Return which rows are the run's; None for all of a staged or whole table."""
    if spec.source is None or isinstance(spec.slice, FullSlice):
        return None
    from airflow_dataops.core.slices import slice_predicate

    return slice_predicate(spec.slice, spec.run, columns)


def take_out(engine: Engine, spec: GateSpec, manifest: StageManifest, bad_rows: str, count: int) -> int:
    """Stage anew, without its bad rows, every file that holds some; returns the rows that are left.

    The files with the bad rows stay where they are until the run's staging is cleared, so that this gate can be run again: it then
    starts from them, see :class:`TakenOut`.

    Args:
        engine: The engine.
        spec: The gate.
        manifest: What is staged.
        bad_rows: File of the bad rows, with their places.
        count: Their number.

    Raises:
        DataOpsError: Not every bad row was found in a staged file (``STAGE_MISMATCH``); nothing has changed then.
    """
    layout = records.layout_of(spec)
    engine.open_parquet([bad_rows], "taken")
    left = [_without(engine, layout.staged_table, file, spec.task) for file in manifest.files]
    taken = sum(file.rows for file in manifest.files) - sum(file.rows for file in left)
    if taken != count:
        raise DataOpsError(
            f"{count} bad rows are to be taken out of the staged table, and {taken} were found there",
            hint="run the refine step again: what is staged is not what its manifest says",
            code="STAGE_MISMATCH",
        )
    reached(FaultPoint.GATE_FILES_CUT)
    after = manifest.model_copy(update={"files": [file for file in left if file.rows]})
    records.write_document(_taken_out(layout, spec.task), TakenOut(before=manifest, after=after))
    reached(FaultPoint.GATE_CUT_NOTED)
    records.write_document(layout.manifest, after)
    reached(FaultPoint.GATE_CUT_IN_FORCE)
    return sum(file.rows for file in after.files)


def _without(engine: Engine, folder: str, file: StagedFile, task: str) -> StagedFile:
    """Write one staged file without its bad rows beside it, under a name of its own."""
    path = f"{folder}/{file.path}"
    here = exp.EQ(this=column(SOURCE_FILE), expression=exp.Literal.string(path))
    places = exp.select(column(SOURCE_ROW)).from_(exp.to_table("taken", quoted=True)).where(here)
    count = exp.select(named(exp.Count(this=exp.Star()), "n")).from_(places.copy().subquery("bad"))
    bad = engine.rows(count)[0]["n"]
    if bad in (0, file.rows):
        return file.model_copy(update={"rows": file.rows - bad})
    info = engine.open_parquet([path], "one_file")
    names = [name for name in info.columns if name not in file.partition]
    query = exp.select(*(column(name) for name in names)).from_(exp.to_table("one_file", quoted=True))
    query = query.where(exp.Not(this=exp.In(this=column(SOURCE_ROW), query=places.subquery())))
    name = f"{file.path.removesuffix('.parquet')}.{task}.parquet"
    rows = engine.write_file(query, f"{folder}/{name}")
    known = storage_for(folder).info(f"{folder}/{name}")
    return file.model_copy(
        update={"path": name, "rows": rows, "bytes": known.size if known else file.bytes, "nulls": {}}
    )


def _taken_out(layout: RunLayout, task: str) -> str:
    return f"{layout.staging}/taken_out/{task}.json"


def _manifest(spec: GateSpec, layout: RunLayout) -> StageManifest:
    manifest = records.read_document(layout.manifest, StageManifest)
    if manifest is None:
        raise InputError(
            f"gate {spec.task!r} has no source, and run {spec.run.key!r} has staged nothing at {layout.manifest}",
            hint="run the refine step first, or give the gate a source",
            code="STAGE_MISSING",
        )
    earlier = records.read_document(_taken_out(layout, spec.task), TakenOut)
    if earlier is None or earlier.after != manifest:
        return manifest
    # A refine step that ran again may have staged the very same; it has deleted what was there before.
    storage = storage_for(layout.staged_table)
    there = all(storage.info(f"{layout.staged_table}/{file.path}") for file in earlier.before.files)
    if not there:
        return manifest
    # What this try takes out, if anything, is decided anew: its rules may be others.
    records.write_document(layout.manifest, earlier.before)
    reached(FaultPoint.GATE_CUT_UNDONE)
    return earlier.before


def _open_staged(engine: Engine, layout: RunLayout, manifest: StageManifest) -> CheckedTable:
    if not manifest.files:
        empty = [named(exp.cast(exp.Null(), parse_type(kind)), name) for name, kind in manifest.columns.items()]
        place = [named(exp.cast(exp.Null(), "TEXT"), SOURCE_FILE), named(exp.cast(exp.Null(), "BIGINT"), SOURCE_ROW)]
        engine.create_view(SOURCE, exp.select(*empty, *place).where(exp.false()))
        return CheckedTable(SourceInfo((), 0, dict(manifest.columns), 0, ""), dict(manifest.columns), manifest)
    info = engine.open_parquet(
        [f"{layout.staged_table}/{file.path}" for file in manifest.files], _STAGED, types=manifest.columns
    )
    # Values of partition folders are texts: the manifest knows the types that they were made from.
    kept = [
        column(name) if info.columns.get(name) == kind else named(exp.cast(column(name), parse_type(kind)), name)
        for name, kind in manifest.columns.items()
    ]
    place = [column(SOURCE_FILE), column(SOURCE_ROW)]
    engine.create_view(SOURCE, exp.select(*kept, *place).from_(exp.to_table(_STAGED, quoted=True)))
    return CheckedTable(info, dict(manifest.columns), manifest)
