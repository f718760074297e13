# SPDX-License-Identifier: Apache-2.0
"""Earlier runs of a pipeline as points in time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import AwareDatetime, ValidationError

from airflow_dataops.core.model import Model
from airflow_dataops.core.refine.spec import RunResult

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:T[0-9:]*)?")


class Point(Model):
    """One run in the history.

    Attributes:
        key: Key of the run.
        moment: Start of its data interval, else when it began.
        verdict: The run's verdict.
        read: Rows read.
        written: Rows published.
        quarantined_share: Share of the rows read, 0..1, that were put aside; None where none were read, and for a run
            that failed before it put any aside.
        seconds: Seconds of work in all steps.
    """

    key: str
    moment: AwareDatetime
    verdict: Literal["passed", "warned", "quarantined", "failed"]
    read: int
    written: int
    quarantined_share: float | None
    seconds: float


def newest(keys: Iterable[str], count: int, *, before: str) -> list[str]:
    """Return the keys of the last runs before ``before``, newest first, by the names alone.

    Keys are ordered by the date in them (``2013-01-31T000000``, ``manual__2013-01-31T08:00…``), then by name; keys without a date come
    first. So one listing is enough, however many runs there are.

    Args:
        keys: Run keys, in any order; ``before`` may be among them.
        count: How many at most.
        before: Key of the run whose history is wanted.
    """
    limit = _order(before)
    return sorted((key for key in keys if _order(key) < limit), key=_order, reverse=True)[: max(count, 0)]


def points(documents: Iterable[Mapping[str, Any]], *, limit: int) -> list[Point]:
    """Return the runs as points, oldest first, the last ``limit`` of them.

    A document that is no result of a run (another version, cut off, without any date) is left out: an old file must not take the page
    away.

    Args:
        documents: Contents of earlier ``result.json``.
        limit: How many points at most.
    """
    found = [point for document in documents if (point := _point(document)) is not None]
    found.sort(key=lambda point: (point.moment, point.key))
    return found[len(found) - min(limit, len(found)) :]


def point_of(run: RunResult) -> Point | None:
    """Return a run as a point; None where it has no date at all."""
    moment = run.run.interval_start or run.started_at
    if moment is None:
        return None
    return Point(
        key=run.run.key,
        moment=moment,
        verdict=run.verdict,
        read=run.rows.read,
        written=run.rows.written,
        quarantined_share=_share(run),
        seconds=run.seconds.get("total", 0.0),
    )


def _share(run: RunResult) -> float | None:
    unknown = run.verdict == "failed" and not run.rows.quarantined
    return run.rows.quarantined / run.rows.read if run.rows.read and not unknown else None


def _order(key: str) -> tuple[str, str]:
    date = _DATE.search(key)
    return (date.group().replace(":", "") if date else "", key)


def _point(document: Mapping[str, Any]) -> Point | None:
    try:
        return point_of(RunResult.model_validate(document))
    except ValidationError:
        return None
