# SPDX-License-Identifier: Apache-2.0
"""From Airflow's context to values of ours: the run, a suite file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.run import RunContext, run_key


def run_of(context: Any, pipeline: str, timezone: str) -> RunContext:
    """Return which run this is; the same on Airflow 2 and 3.

    Args:
        context: What Airflow gives to ``execute``.
        pipeline: Name of the pipeline.
        timezone: IANA name of the zone in which the run's date is meant.
    """
    dag_run = context["dag_run"]
    start, end = dag_run.data_interval_start, dag_run.data_interval_end
    # Airflow 2 gives a run that assets triggered the intervals of the runs that wrote them: several such runs may have the same one.
    own = not str(getattr(dag_run, "run_type", None)).lower().endswith("set_triggered")
    return RunContext(
        pipeline=pipeline,
        key=run_key(
            partition_key=getattr(dag_run, "partition_key", None),
            interval_start=start if own else None,
            interval_end=end if own else None,
            logical_date=dag_run.logical_date,
            run_id=dag_run.run_id,
        ),
        interval_start=start,
        interval_end=end,
        timezone=timezone,
    )


def expand(value: Any, run: RunContext) -> Any:
    """Return ``value`` with every ``${run.…}`` in its texts replaced, at any depth."""
    if isinstance(value, str):
        return run.expand(value)
    if isinstance(value, dict):
        return {key: expand(item, run) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [expand(item, run) for item in value]
    return value


def read_suite(path: str, folder: str) -> dict[str, Any]:
    """Return the suite in a JSON file.

    Args:
        path: Absolute, or relative to ``folder``.
        folder: Folder of the DAG file.

    Raises:
        InputError: There is no such file, or it cannot be read (``SUITE_UNREADABLE``).
        SpecError: It is no JSON object (``SUITE_INVALID``).
    """
    file = Path(folder, path)
    try:
        suite = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"the suite {file} cannot be read: {error.strerror}",
            hint="give an absolute path, or one relative to the DAG file",
            code="SUITE_UNREADABLE",
        ) from None
    except ValueError as error:
        raise SpecError(f"the suite {file} is no JSON: {error}", hint="export it again", code="SUITE_INVALID") from None
    if not isinstance(suite, dict):
        raise SpecError(
            f"the suite {file} holds a {type(suite).__name__}",
            hint='write {"expectations": [...]}',
            code="SUITE_INVALID",
        )
    return suite


__all__ = ["expand", "read_suite", "run_of"]
