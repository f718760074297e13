# SPDX-License-Identifier: Apache-2.0
"""What a commit to a Delta table says, in delta-rs' own types: files that join and leave, the schema, the token of a publish."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_dataops.core.errors import PublishError
from airflow_dataops.core.refine.publish import TableFile

if TYPE_CHECKING:
    from deltalake import Schema
    from deltalake.transaction import AddAction, CommitProperties, RemoveAction


def joins(file: TableFile, schema: Any, window: str | None, *, data_change: bool = True) -> AddAction:
    """Return that a file joins, with what readers may know of it without opening it.

    Args:
        file: The file, under its path in the table.
        schema: Arrow schema of the table.
        window: Column that the file's moments are about.
        data_change: False where its rows were in the table before.
    """
    from deltalake.transaction import AddAction

    return AddAction(
        path=file.path,
        size=file.bytes,
        partition_values=file.partition,
        modification_time=int(time.time() * 1000),
        data_change=data_change,
        stats=json.dumps(_statistics(file, schema, window)),
    )


def leaves(path: str, size: int, partition: Mapping[str, str | None], *, data_change: bool = True) -> RemoveAction:
    """Return that a file of the table leaves.

    Args:
        path: Its path in the table.
        size: Bytes.
        partition: Its partition values.
        data_change: False where its rows stay in the table.
    """
    from deltalake.transaction import RemoveAction

    return RemoveAction(
        path=path,
        data_change=data_change,
        deletion_timestamp=int(time.time() * 1000),
        size=size,
        partition_values=dict(partition),
    )


def delta_schema(schema: Any) -> Schema:
    """Return an Arrow schema as Delta has it.

    Raises:
        PublishError: A column's type does not exist in Delta (``DELTA_TYPE``).
    """
    from deltalake import Schema

    try:
        return Schema.from_arrow(schema)
    except Exception as error:  # delta-rs raises nothing narrower here
        raise PublishError(
            f"a column has a type that Delta does not know: {str(error).splitlines()[0]}",
            hint="cast it in clean.cast (a time or an interval to string, for example)",
            code="DELTA_TYPE",
        ) from error


def properties(application: str, token: int) -> CommitProperties:
    """Return what a commit remembers of a publish.

    It is tried once: whatever came in between may concern the rows that it replaces.
    """
    from deltalake.transaction import CommitProperties, Transaction

    return CommitProperties(max_commit_retries=0, app_transactions=[Transaction(application, token)])


def _statistics(file: TableFile, schema: Any, window: str | None) -> dict[str, Any]:
    """Return what the log says of a file's content: its rows and, for the window column, the bounds by which readers skip files."""
    known: dict[str, Any] = {"numRecords": file.rows}
    moments = file.moments
    if window is None or moments is None or moments.low is None or moments.high is None or window in file.partition:
        return known
    kind = str(schema.field(window).type)
    if not kind.startswith(("timestamp", "date")):
        return known
    # The log holds milliseconds: a bound is moved outwards, never inwards.
    high = moments.high + timedelta(microseconds=-moments.high.microsecond % 1000)
    spell = _spell_date if kind.startswith("date") else _spell_zoned if "tz=" in kind else _spell_naive
    return {
        **known,
        "minValues": {window: spell(moments.low)},
        "maxValues": {window: spell(high)},
        "nullCount": {window: moments.unknown},
    }


def _spell_date(moment: datetime) -> str:
    return moment.date().isoformat()


def _spell_naive(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def _spell_zoned(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


__all__ = ["delta_schema", "joins", "leaves", "properties"]
