# SPDX-License-Identifier: Apache-2.0
"""Which run this is: its key, its data interval, and the references that stand for them."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime

from airflow_dataops.core.errors import SpecError, unknown_name
from airflow_dataops.core.model import Model

RUN_REFERENCE = re.compile(r"\$\{run\.([a-z_]*)\}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_KEY = 120


class RunContext(Model):
    """One run of one pipeline.

    Attributes:
        pipeline: Name of the pipeline (the YAML file's stem, or the DAG id).
        key: Names the run in every path; see :func:`run_key`.
        interval_start: Start of the data interval, inclusive, UTC. None where the run has no interval.
        interval_end: End of the data interval, exclusive, UTC.
        timezone: IANA name of the time zone in which the run's date is meant.
    """

    pipeline: str
    key: str
    interval_start: AwareDatetime | None = None
    interval_end: AwareDatetime | None = None
    timezone: str = "UTC"

    @property
    def has_interval(self) -> bool:
        """True where the data interval has a length; a manual run without a schedule has none."""
        start, end = self.interval_start, self.interval_end
        return start is not None and end is not None and start < end

    def interval(self) -> tuple[datetime, datetime]:
        """Return the data interval in UTC, half open.

        Raises:
            SpecError: The run has no interval (``RUN_WITHOUT_INTERVAL``).
        """
        if self.interval_start is None or self.interval_end is None or self.interval_start >= self.interval_end:
            raise SpecError(
                f"run {self.key!r} of {self.pipeline!r} has no data interval, and this pipeline works on one",
                hint="trigger it with a logical date of its schedule, or run `dataops run FILE --date 2024-01-31`",
                code="RUN_WITHOUT_INTERVAL",
            )
        return self.interval_start.astimezone(UTC), self.interval_end.astimezone(UTC)

    def value(self, name: str) -> str:
        """Return what ``${run.<name>}`` stands for.

        Args:
            name: One of :data:`REFERENCES`.

        Raises:
            SpecError: The name is unknown, or needs an interval that the run does not have.
        """
        if name == "key":
            return self.key
        if name == "pipeline":
            return self.pipeline
        if name not in REFERENCES:
            raise unknown_name(
                "run reference", f"run.{name}", (f"run.{n}" for n in REFERENCES), code="UNKNOWN_REFERENCE"
            )
        start, end = self.interval()
        if name == "end":
            return end.strftime("%Y-%m-%dT%H:%M:%SZ")
        if name == "start":
            return start.strftime("%Y-%m-%dT%H:%M:%SZ")
        return start.astimezone(ZoneInfo(self.timezone)).strftime(REFERENCES[name])

    def expand(self, text: str) -> str:
        """Replace every ``${run.…}`` in ``text`` by its value; other references stay as they are."""
        return RUN_REFERENCE.sub(lambda found: self.value(found.group(1)), text)


# Name -> strftime format in the pipeline's time zone; empty where the value is made another way.
REFERENCES: dict[str, str] = {
    "date": "%Y-%m-%d",
    "year": "%Y",
    "month": "%m",
    "day": "%d",
    "hour": "%H",
    "start": "",
    "end": "",
    "key": "",
    "pipeline": "",
}


def run_key(
    *,
    partition_key: str | None,
    interval_start: datetime | None = None,
    interval_end: datetime | None = None,
    logical_date: datetime | None,
    run_id: str,
) -> str:
    """Return the key that names a run: the same for every try and every rerun of the same data, whoever started it.

    The partition key where there is one, else the start of the data interval in UTC where that has a length (of a scheduled run, that is
    its logical date), else the logical date, else the run id; never the clock.

    Args:
        partition_key: The key of an asset partition (Airflow 3.3 and later), or None.
        interval_start: Start of the data interval, aware, or None. A run that assets triggered has none of its own.
        interval_end: Its end, aware, or None.
        logical_date: The run's logical date, aware, or None.
        run_id: The scheduler's id of the run; used when nothing else names the slice.

    Returns:
        A name of ASCII letters, digits, ``.``, ``_`` and ``-``. A text that had to be changed or shortened gets a digest of the
        original appended, so that two different runs never share a key.
    """
    if partition_key:
        return _safe(partition_key)
    has_length = interval_start is not None and interval_end is not None and interval_start < interval_end
    moment = interval_start if has_length else logical_date
    if moment is None:
        return _safe(run_id)
    moment = moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H%M%S") + (f".{moment.microsecond:06d}" if moment.microsecond else "")


def _safe(text: str) -> str:
    cleaned = _UNSAFE.sub("-", text).strip("-.") or "run"
    if cleaned == text and len(text) <= _LONGEST_KEY:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return f"{cleaned[: _LONGEST_KEY - 11]}-{digest}"
