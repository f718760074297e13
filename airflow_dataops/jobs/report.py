# SPDX-License-Identifier: Apache-2.0
"""Gather what the steps of a run left into ``result.json`` and the result page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from airflow_dataops.clients.storage import Storage, storage_for
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.history import Point, newest, points
from airflow_dataops.core.refine.spec import ReportSpec, RunResult
from airflow_dataops.core.refine.summary import summarise
from airflow_dataops.jobs import records

# Read a few more than asked for: a run that was stopped left no result, or half of one by another version.
_SPARE = 10


def run(
    spec: ReportSpec,
    *,
    secrets: Mapping[str, str] | None = None,  # noqa: ARG001 - every job is called with them
    progress: Callable[[str], None] | None = None,
) -> RunResult:
    """Write ``result.json``, then the page, from whatever the steps of the run left.

    It works for a run that failed or never began: a step without a result makes the verdict ``failed`` and is named. Of the earlier runs
    it lists the names and reads the newest only, so it stays quick however many there are.

    Args:
        spec: Which steps belong to the run, and how many earlier runs the charts show.
        secrets: Not needed here; every job is called with them.
        progress: Told one line at a time what is being done.

    Returns:
        The result of the run. ``status`` is ``ok`` also where the ``verdict`` is ``failed``: this job did its work.

    Raises:
        StorageError: The lake did not answer.
    """
    from airflow_dataops.report.page import render

    tell = progress or (lambda _line: None)
    layout = records.layout_of(spec)
    storage = storage_for(spec.lake)
    found = {task: _document(storage, layout.step_result(task)) for task in spec.steps}
    result = summarise(spec, {task: document for task, document in found.items() if document is not None})
    records.write_document(layout.result, result)
    reached(FaultPoint.REPORT_FILED)
    history = read_history(storage, layout, spec.history)
    tell(f"{result.verdict}: {len(result.steps)} of {len(spec.steps)} steps left a result; {len(history)} earlier runs")
    storage.write_bytes(layout.page, render(result, history).encode())
    reached(FaultPoint.REPORT_SHOWN)
    tell(f"page: {layout.page}")
    return result


def read_history(storage: Storage, layout: RunLayout, count: int) -> list[Point]:
    """Return the last ``count`` runs before this one, oldest first; what cannot be read as a result is left out."""
    keys = [name.rstrip("/") for name in storage.names(layout.runs) if name.endswith("/")]
    chosen = newest(keys, count + _SPARE if count else 0, before=layout.run_key)
    paths = (RunLayout(layout.lake, layout.pipeline, key).result for key in chosen)
    return points((document for path in paths if (document := _document(storage, path))), limit=count)


def _document(storage: Storage, path: str) -> dict[str, Any] | None:
    """Return a JSON object; None where there is no file, an empty one where it holds anything else."""
    data = storage.read_bytes(path)
    if data is None:
        return None
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


if __name__ == "__main__":
    from airflow_dataops.jobs.process import main

    raise SystemExit(main(ReportSpec, run))
