# SPDX-License-Identifier: Apache-2.0
"""Every place at which the death of a job's process has been thought of, by name: the list that the fault tests walk.

Code calls :func:`reached` when it has come there; that does nothing unless a test has armed it. A step of a job takes its point as an
argument, so there is no step without one, and the walk fails for a point that it never reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class FaultPoint(StrEnum):
    """A place in the work of a job; the text after it says what has been done by then."""

    JOB_STARTED = "job.started"  # the step's spec is on record
    JOB_WORKED = "job.worked"  # all is done, but the result is not on record
    JOB_RECORDED = "job.recorded"  # the result is on record, and nobody has been told

    GATE_OPENED = "gate.opened"  # the source is decoded, its columns fit the rules
    GATE_SCANNED = "gate.scanned"  # rows are counted
    GATE_KEYS_COUNTED = "gate.keys_counted"  # repeated keys are counted
    GATE_ROWS_ASIDE = "gate.rows_aside"  # bad rows are staged
    GATE_EXAMPLES_READ = "gate.examples_read"  # examples are read
    GATE_CUT_UNDONE = "gate.cut_undone"  # the manifest from before an earlier try of this gate is in force again
    GATE_FILES_CUT = "gate.files_cut"  # staged files are written anew without bad rows; the manifest names the old ones
    GATE_CUT_NOTED = "gate.cut_noted"  # the manifests before and after are on record; the old one is in force
    GATE_CUT_IN_FORCE = "gate.cut_in_force"  # the new manifest is in force
    GATE_COMMITTED = "gate.committed"  # bad rows are committed where the verdict asks for it

    REFINE_MANIFEST_GONE = "refine.manifest_gone"  # what an earlier try staged no longer counts, but is there
    REFINE_CLEARED = "refine.cleared"  # it is gone
    REFINE_OPENED = "refine.opened"  # source and table fit the spec
    REFINE_COUNTED = "refine.counted"  # rows are counted by cause
    REFINE_ROWS_ASIDE = "refine.rows_aside"  # rows that do not cast are staged
    REFINE_DEDUPLICATED = "refine.deduplicated"  # the rows that leave are known
    REFINE_WRITTEN = "refine.written"  # the final files are staged
    REFINE_PROFILED = "refine.profiled"  # nulls are counted
    REFINE_STAGED = "refine.staged"  # the manifest names the final files

    PUBLISH_LEASED = "publish.leased"  # the table is ours to change
    PUBLISH_RECOVERED = "publish.recovered"  # an earlier publish that was cut short is finished or taken back
    PUBLISH_CHECKED = "publish.checked"  # every staged file is there
    PUBLISH_BAD_ROWS_JOINED = (
        "publish.bad_rows_joined"  # bad rows are in the quarantine, beside those of an earlier try
    )
    PUBLISH_BAD_ROWS = "publish.bad_rows"  # bad rows are committed
    PUBLISH_COLUMNS = "publish.columns"  # a Delta table has the columns that it needs
    PUBLISH_REWRITTEN = "publish.rewritten"  # files that the slice cuts through are written anew, in staging
    PUBLISH_PLANNED = "publish.planned"  # files to add and remove are known
    PUBLISH_FORMAT_NOTED = "publish.format_noted"  # an index says that the Delta table that is to be made is one
    PUBLISH_NOTED = "publish.noted"  # the commit record is written; nothing points to it
    PUBLISH_MARKED = "publish.marked"  # the lease points to it: the commit point of a parquet publish
    PUBLISH_LEASE_CHECKED = "publish.lease_checked"  # the lease is still ours, right before Delta's commit
    PUBLISH_COMMITTED = "publish.committed"  # the table is the new one
    PUBLISH_INDEXED = "publish.indexed"  # what its files hold is remembered
    PUBLISH_UNMARKED = "publish.unmarked"  # the lease points to nothing any more
    PUBLISH_STEP_DONE = "publish.step_done"  # the commit step has ended
    PUBLISH_CLEANED = "publish.cleaned"  # staging and old records are deleted

    TABLE_INDEX_DROPPED = "table.index_dropped"  # an index that cannot be read is deleted
    TABLE_JOINED = "table.joined"  # new files are in the folder beside the old ones
    TABLE_LEFT = "table.left"  # one old file has left it
    TABLE_TAKEN_BACK = "table.taken_back"  # one new file has been taken out again

    FINISH_MANIFEST_GONE = "finish.manifest_gone"  # what was staged is published and no longer counts as staged
    FINISH_STAGED_GONE = "finish.staged_gone"  # staged files are deleted
    FINISH_FILED = "finish.filed"  # the record says done, and its pending form is still there
    FINISH_DONE = "finish.done"  # only the filed record is left

    RECOVERY_BEGUN = "recovery.begun"  # a publish that was cut short has been found
    RECOVERY_DONE = "recovery.done"  # it is finished or taken back; the lease still points to it
    RECOVERY_UNMARKED = "recovery.unmarked"  # the lease points to nothing any more

    COMPACT_LEASED = "compact.leased"  # the table is ours to change
    COMPACT_WRITTEN = "compact.written"  # small files are written together, in staging
    COMPACT_NOTED = "compact.noted"  # the commit record is written; nothing points to it
    COMPACT_MARKED = "compact.marked"  # the lease points to the record of it
    COMPACT_COMMITTED = "compact.committed"  # the table has the large files instead
    COMPACT_INDEXED = "compact.indexed"  # what its files hold is remembered
    COMPACT_UNMARKED = "compact.unmarked"  # the lease points to nothing any more

    MAINTAIN_COMPACTED = "maintain.compacted"  # one table's files are put together
    MAINTAIN_VACUUMED = "maintain.vacuumed"  # one table's unneeded files are deleted
    MAINTAIN_STAGING = "maintain.staging"  # staging that was given up is deleted
    MAINTAIN_QUARANTINE = "maintain.quarantine"  # bad rows that were kept long enough are deleted

    REPORT_FILED = "report.filed"  # result.json is written, the page is not
    REPORT_SHOWN = "report.shown"  # the page is written


Hook = Callable[[StrEnum], None]
_hook: Hook | None = None


def reached(point: StrEnum) -> None:
    """Tell that the work has come to ``point``, of a job's list or of a service's own.

    What an armed test does there is its own affair, dying included.
    """
    if _hook is not None:
        _hook(point)


@contextmanager
def armed(hook: Hook) -> Iterator[None]:
    """Call ``hook`` at every point of this process until the end of the context; for tests."""
    global _hook  # noqa: PLW0603 - one process has one hook
    before, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = before
