# SPDX-License-Identifier: Apache-2.0
"""What cleaning is told, by an author and by the plan alike."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from airflow_dataops.core.model import Model


class CastSpec(Model):
    """A cast to ``type``, and what becomes of a value that does not cast: fail the job, become null, or quarantine the row."""

    type: str
    on_error: Literal["fail", "null", "quarantine"] = "fail"


class DedupSpec(Model):
    """Keep one row a key.

    Attributes:
        keys: Columns that identify a row. Null equals null.
        keep: Which row of a key stays, in the order of ``order_by``.
        order_by: Columns that order the rows of a key; ``-column`` for descending. Ties are broken by all columns, so that every engine
            picks the same row.
        within: Watermark: rows of one key are duplicates only while less than this apart in ``event_time`` (``10 minutes``).
        event_time: The event-time column; needed with ``within``.
    """

    keys: list[str] = Field(min_length=1)
    keep: Literal["first", "last"] = "last"
    order_by: list[str] = []
    within: str | None = None
    event_time: str | None = None


class DriftSpec(Model):
    """What happens when the source's columns differ from the published table's (or from ``SourceSpec.types``)."""

    new_column: Literal["ignore", "add", "fail"] = "add"
    missing_column: Literal["fail", "null"] = "fail"
    type_change: Literal["fail"] = "fail"


class CleanSpec(Model):
    """Cleaning, in the order of the attributes.

    Attributes:
        select: Columns to keep; None keeps all.
        rename: Old name -> new name. All later steps use the new names.
        cast: Column -> canonical type, or :class:`CastSpec`.
        trim: Text columns whose white space at both ends goes; ``["*"]`` means all text columns.
        fill: Column -> value for nulls.
        drop_nulls: Rows with a null in one of these columns are dropped.
        keep_if: SQL boolean expressions; a row stays where all are true (null is not true).
        derive: New column -> SQL expression over the columns so far.
        dedup: Keep one row a key.
    """

    select: list[str] | None = None
    rename: dict[str, str] = {}
    cast: dict[str, CastSpec | str] = {}
    trim: list[str] = []
    fill: dict[str, Any] = {}
    drop_nulls: list[str] = []
    keep_if: list[str] = []
    derive: dict[str, str] = {}
    dedup: DedupSpec | None = None
