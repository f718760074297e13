# SPDX-License-Identifier: Apache-2.0
"""The refine job: read the run's slice of the source, clean it, and stage the final files of the table."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Mapping

from sqlglot import exp

from airflow_dataops.core.dq_gate.bad_rows import Rejected, Stamp
from airflow_dataops.core.dq_gate.masking import kept_columns
from airflow_dataops.core.errors import DataOpsError, GateFailed, InputError, SpecError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine import bad_casts, dedup
from airflow_dataops.core.refine.mask import salts
from airflow_dataops.core.refine.names import GOOD, LOSERS, PLACE, REPEATED, ROWS, SOURCE, column, named, table
from airflow_dataops.core.refine.plan import CleanPlan, TablePlan, clean_plan, table_plan
from airflow_dataops.core.refine.publish import file_stem
from airflow_dataops.core.refine.spec import RefineResult, RefineSpec, StagedFile, StageManifest
from airflow_dataops.core.secrets import hide_in
from airflow_dataops.core.tables import ColumnProfile, RowCounts, WindowSlice
from airflow_dataops.engines.base import Along, Engine, SourceInfo
from airflow_dataops.jobs import refine_along
from airflow_dataops.jobs.engines import engine_for
from airflow_dataops.jobs.process import Progress, main
from airflow_dataops.jobs.records import layout_of, write_document
from airflow_dataops.jobs.refine_table import (
    Published,
    clear_leftovers,
    open_excluded,
    open_source,
    published,
    refuse_changed,
)
from airflow_dataops.jobs.staging import staging_lease
from airflow_dataops.jobs.timing import Timer

log = logging.getLogger(__name__)
_STAGED = "dataops_staged"


def run(
    spec: RefineSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> RefineResult:
    """Clean a slice of a source and stage the files of the table.

    Args:
        spec: What to do.
        secrets: Reference -> value, for the salts of masks.
        progress: Told one line at a time what is being done.

    Returns:
        What was done; the rows add up: ``read == quarantined + sum(dropped) + deduplicated + written``.

    Raises:
        SpecError: The spec does not fit the source or the table.
        InputError: The source is missing, broken, of another schema, changed since a gate checked it, or has values that do not cast.
        GateFailed: More rows would be put aside than ``max_quarantine_ratio`` allows (``QUARANTINE_RATIO``).
        RunConflict: Another try of the run is staging right now.
    """
    values = salts(spec.masks, secrets or {})
    try:
        with staging_lease(layout_of(spec)):
            return _stage(spec, values, progress or log.info)
    except DataOpsError as error:
        # A salt is part of the query, and an engine may show the query in what it says.
        error.message = hide_in(error.message, values.values())
        error.args = (error.message,)
        error.details = hide_in(error.details, values.values())
        raise


def _stage(spec: RefineSpec, salt: Mapping[str, str], tell: Progress) -> RefineResult:
    clear_leftovers(spec)
    try:
        with engine_for(spec) as engine:
            return _Refine(spec, engine, salt, tell).work()
    except BaseException:
        # Nobody can use half of what is staged; another run may need the space.
        with contextlib.suppress(DataOpsError):
            clear_leftovers(spec)
        raise


class _Refine:
    """One run of the job: opened by the constructor, each step a method."""

    def __init__(self, spec: RefineSpec, engine: Engine, salt: Mapping[str, str], tell: Progress) -> None:
        self.spec, self.engine, self.salt, self.tell = spec, engine, salt, tell
        self.layout = layout_of(spec)
        self.timer = Timer()
        # Two tries of a run may be at work at once: each has files of its own, so that no manifest ever names another's.
        self.attempt = uuid.uuid4().hex[:12]
        self.excluded: dict[str, str] = {}

    def work(self) -> RefineResult:
        """Run all steps."""
        with self.timer("open", FaultPoint.REFINE_OPENED):
            info, before, plan = self._open()
        done = (
            self._in_steps(info, before, plan)
            if self.engine.along is None
            else self._in_one_pass(info, before, plan, self.engine.along)
        )
        final, files, counts, losers = done
        rows = self._row_counts(info, plan, counts, losers, sum(file.rows for file in files))
        with self.timer("profile", FaultPoint.REFINE_PROFILED):
            profile = self._profile(final, files)
        write_document(
            self.layout.manifest,
            StageManifest(files=files, columns=final.shape.columns, attempt=self.attempt, excluded=self.excluded),
        )
        reached(FaultPoint.REFINE_STAGED)
        self.tell(f"staged {rows.written} rows in {len(files)} files")
        return RefineResult(
            task=self.spec.task,
            run=self.spec.run,
            rows=rows,
            files=len(files),
            columns=profile,
            drift=[*plan.notes, *final.shape.notes],
            casts_to_null=_casts_to_null(plan, counts),
            bytes_read=info.bytes,
            bytes_written=sum(file.bytes for file in files),
            seconds=self.timer.seconds(),
            versions=self.engine.versions(),
        )

    def _in_steps(
        self, info: SourceInfo, before: Published, plan: CleanPlan
    ) -> tuple[TablePlan, list[StagedFile], dict[str, int], int]:
        """Count, put aside, and find the duplicates, each by a query of its own; then write."""
        with self.timer("count", FaultPoint.REFINE_COUNTED):
            counts = self._count(info, plan)
        self._refuse(counts, plan)
        with self.timer("quarantine", FaultPoint.REFINE_ROWS_ASIDE):
            self._put_aside(info, plan, counts)
        with self.timer("dedup", FaultPoint.REFINE_DEDUPLICATED):
            losers = self._deduplicate()
        with self.timer("write", FaultPoint.REFINE_WRITTEN):
            final = self._table(plan, before, losers)
            files = self._write(final, final.query)
            refuse_changed(self.spec, info)
        return final, files, counts, losers

    def _in_one_pass(
        self, info: SourceInfo, before: Published, plan: CleanPlan, along: Along
    ) -> tuple[TablePlan, list[StagedFile], dict[str, int], int]:
        """Write first, counting along; what is wrong with the rows is said afterwards, and takes away what was written."""
        with self.timer("write", FaultPoint.REFINE_WRITTEN):
            final = self._table(plan, before, 0)
            try:
                files = self._write(
                    final, refine_along.views(self.engine, along, self.spec, plan, final, self._cleaned())
                )
            except DataOpsError as error:
                if not error.retryable:  # what is wrong with the rows says more than what the write stumbled over
                    self._refuse(self._count(info, plan), plan)
                raise
            refuse_changed(self.spec, info)
        with self.timer("count", FaultPoint.REFINE_COUNTED):
            counts, losers = self._counted(info, plan, along, sum(file.rows for file in files))
        reached(FaultPoint.REFINE_DEDUPLICATED)
        self._refuse(counts, plan)
        with self.timer("quarantine", FaultPoint.REFINE_ROWS_ASIDE):
            self._put_aside(info, plan, counts)
        return final, files, counts, losers

    def _open(self) -> tuple[SourceInfo, Published, CleanPlan]:
        self.tell(f"opening {self.spec.source.path}")
        info, self.excluded = open_source(self.engine, self.spec)
        excluded = open_excluded(self.engine, self.spec)
        before = published(self.engine, self.spec)
        plan = clean_plan(self.spec, info.columns, before.columns, excluded=excluded)
        self.engine.create_view(ROWS, plan.rows)
        self.engine.create_view(GOOD, plan.good)
        # What is wrong with masks, partitions or the table's columns is said before any row is read.
        self._table(plan, before, 0)
        return info, before, plan

    def _counted(self, info: SourceInfo, plan: CleanPlan, along: Along, written: int) -> tuple[dict[str, int], int]:
        """Return the counts by cause, and the rows that lost to others of their key."""
        seen = refine_along.counted(along, self.spec)
        if seen is not None:
            return self._count(info, plan, seen[0]), seen[1]
        counts = self._count(info, plan)
        left = counts["rows"] - counts["quarantined"] - _dropped(plan, counts) - written
        return counts, left if self.spec.clean.dedup is not None else 0

    def _count(self, info: SourceInfo, plan: CleanPlan, seen: Mapping[str, int] | None = None) -> dict[str, int]:
        if seen is None:
            self.tell(f"counting the rows of {len(info.files)} files")
        counts = dict(self.engine.rows(plan.tally.query(ROWS))[0] if seen is None else seen)
        counts["lost"] = self.engine.rows(plan.lost)[0]["rows"] if plan.lost is not None else 0
        counts["rejected"] = 0 if self.spec.exclude else info.rejected
        return counts

    def _refuse(self, counts: Mapping[str, int], plan: CleanPlan) -> None:
        """Stop before anything is written where the rows cannot be taken."""
        for index, cell in enumerate(plan.cells):
            failed = counts.get(f"bad_{index}", 0)
            if failed and cell.on_error == "fail":
                raise self._cast_failed(plan, index, failed)
        if counts.get("moved"):
            raise SpecError(
                f"the cleaning moves {counts['moved']} rows out of the run's slice: by their {plan.window!r} they belong to another run",
                hint="cast the window column to timestamp, or take size: day and time zone UTC for a date",
                code="WINDOW_MOVED",
            )
        aside, read = counts["quarantined"] + counts["rejected"], counts["rows"] + counts["lost"] + counts["rejected"]
        if aside > self.spec.max_quarantine_ratio * read:
            raise GateFailed(
                f"{aside} of {read} rows ({aside / read:.2%}) would be put aside since they cannot be decoded or cast; "
                f"max_quarantine_ratio is {self.spec.max_quarantine_ratio:.2%}",
                hint="mend the source or the cast, or raise max_quarantine_ratio; nothing was staged",
                code="QUARANTINE_RATIO",
                details={"quarantined": aside, "read": read},
            )

    def _cast_failed(self, plan: CleanPlan, index: int, failed: int) -> InputError:
        cell = plan.cells[index]
        found = self.engine.rows(bad_casts.failed_examples(cell, plan.wanted))
        # A masked column keeps its values to itself, also in an error.
        shown = [] if cell.name in self.spec.masks else [str(row["value"])[:80] for row in found]
        examples = f", such as {', '.join(map(repr, shown))}" if shown else ""
        return InputError(
            f"{failed} values of column {cell.name!r} do not cast to {cell.cast_to}{examples}",
            hint=f"write clean.cast: {{{cell.name}: {{type: {cell.cast_to}, on_error: quarantine}}}} to put such rows aside, or null",
            code="CAST_FAILED",
            details={"column": cell.name, "type": cell.cast_to, "values": failed, "examples": shown},
        )

    def _put_aside(self, info: SourceInfo, plan: CleanPlan, counts: Mapping[str, int]) -> None:
        if not counts["quarantined"] and not counts["rejected"]:
            return
        spec = self.spec
        masks = bad_casts.source_masks(spec.masks, plan.cells) if spec.quarantine.mask == "inherit" else {}
        by_reference = {spec.masks[name].salt: value for name, value in self.salt.items()}
        references = {ref.secret: value for ref, value in by_reference.items() if ref is not None}
        end = spec.run.interval_end
        query = bad_casts.quarantine_query(
            plan.cells,
            plan.wanted,
            Stamp(spec.run.key, spec.run.pipeline, spec.task, end.isoformat() if end else None),
            kept=kept_columns(info.columns, masks, references),
            casts=bool(counts["quarantined"]),
            rejected=Rejected(f"{SOURCE}_rejected", with_text=not masks) if counts["rejected"] else None,
        )
        rows = self.engine.write_file(query, self.layout.staged_quarantine(spec.task))
        self.tell(f"put {rows} rows aside")

    def _deduplicate(self) -> int:
        step = self.spec.clean.dedup
        if step is None:
            return 0
        self.tell(f"looking for rows with the same {', '.join(step.keys)}")
        if not self.engine.create_table(REPEATED, dedup.repeated_query(step)):
            return 0
        return self.engine.create_table(LOSERS, dedup.losers_query(step, self._cleaned()))

    def _table(self, plan: CleanPlan, before: Published, losers: int) -> TablePlan:
        return table_plan(
            self.spec,
            plan,
            self._cleaned(),
            before.columns,
            salts=self.salt,
            deduplicated=losers > 0,
            untyped=before.untyped,
        )

    def _cleaned(self) -> dict[str, str]:
        return {name: kind for name, kind in self.engine.columns(GOOD).items() if name not in PLACE}

    def _write(self, final: TablePlan, query: exp.Query) -> list[StagedFile]:
        self.tell("writing the cleaned rows")
        return self.engine.write_table(
            query,
            self.layout.staged_table,
            partition_by=self.spec.target.partition_by,
            stem=f"{file_stem(self.spec.run)}-{self.attempt}",
            window=final.window,
        )

    def _row_counts(
        self, info: SourceInfo, plan: CleanPlan, counts: Mapping[str, int], losers: int, written: int
    ) -> RowCounts:
        dropped = {cause.label: counts[f"dropped_{place}"] for place, cause in enumerate(plan.causes)}
        expected = counts["rows"] - counts["quarantined"] - _dropped(plan, counts) - losers
        if expected != written or losers < 0:
            raise InputError(
                f"{written} rows were written where {expected} were counted: {len(info.files)} files of {self.spec.source.path!r} "
                "changed meanwhile",
                hint="run it again once the delivery is complete",
                code="SOURCE_CHANGED",
            )
        if isinstance(self.spec.slice, WindowSlice):
            dropped = {f"no_window({self.spec.slice.column})": counts["lost"], **dropped}
        return RowCounts(
            read=counts["rows"] + counts["lost"] + counts["rejected"],
            quarantined=counts["quarantined"] + counts["rejected"],
            dropped=dropped,
            deduplicated=losers,
            written=written,
        )

    def _profile(self, final: TablePlan, files: list[StagedFile]) -> list[ColumnProfile]:
        columns = final.shape.columns
        rows = sum(file.rows for file in files)
        nulls = {
            name: sum(file.nulls[name] for file in files) for name in columns if all(name in f.nulls for f in files)
        }
        nulls |= {
            name: sum(file.rows for file in files if file.partition[name] is None)
            for name in self.spec.target.partition_by
        }
        rest = [name for name in columns if name not in nulls]
        if rest:
            self.engine.open_parquet([f"{self.layout.staged_table}/{file.path}" for file in files], _STAGED)
            counted = [named(exp.Count(this=column(name)), f"n{place}") for place, name in enumerate(rest)]
            seen = self.engine.rows(exp.select(*counted).from_(table(_STAGED)))[0]
            nulls |= {name: rows - seen[f"n{place}"] for place, name in enumerate(rest)}
        return [ColumnProfile(name=name, type=kind, rows=rows, nulls=nulls[name]) for name, kind in columns.items()]


def _dropped(plan: CleanPlan, counts: Mapping[str, int]) -> int:
    return sum(counts[f"dropped_{place}"] for place in range(len(plan.causes)))


def _casts_to_null(plan: CleanPlan, counts: Mapping[str, int]) -> dict[str, int]:
    return {
        cell.name: counts[f"bad_{index}"]
        for index, cell in enumerate(plan.cells)
        if cell.failed is not None and cell.on_error == "null" and counts[f"bad_{index}"]
    }


def explain(spec: RefineSpec, columns: Mapping[str, str], published: Mapping[str, str] | None = None) -> list[str]:
    """Return the SQL that the step runs on a source of known columns, in its engine's dialect; nothing is read.

    Args:
        spec: The step.
        columns: Column -> canonical type of the source.
        published: Column -> type of the published table; None where there is none.
    """
    from airflow_dataops.core.refine.explain import refine_sql
    from airflow_dataops.core.sql.dialects import dialect_of

    return refine_sql(spec, columns, published, dialect=dialect_of(spec.engine))


def rendered_sql(spec: RefineSpec) -> list[str]:
    """Return the SQL that the step runs, after a look at the source's and the table's columns; no row is read."""
    with engine_for(spec) as engine:
        info = engine.open_source(spec.source, SOURCE, decoded=layout_of(spec).decoded_source)
        return explain(spec, info.columns, published(engine, spec).columns)


__all__ = ["explain", "rendered_sql", "run"]

if __name__ == "__main__":
    raise SystemExit(main(RefineSpec, run))
