# SPDX-License-Identifier: Apache-2.0
"""The flights example in a folder of its own, run as a real DAG run, and what it left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from airflow_dataops.core.dq_gate.spec import GateResult
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.spec import RunResult
from dag_factories.realise.local_run import run_in_airflow
from dag_factories.run import Progress, RunOutcome

EXAMPLES = Path(__file__).parent.parent / "example_dags"
PIPELINE = "flights.yaml"
# The last day of the data. The pipeline takes the whole table, so any date would do; a fixed one gives the same run each time.
DATE = "2013-12-31"
_MADE_BY_RUNS = shutil.ignore_patterns("__pycache__", ".dataops", "silver", "quarantine")


def run_demo(folder: Path, *, now: datetime, progress: Progress | None = None) -> RunOutcome:
    """Copy the example into a folder and run it in Airflow, with Airflow's database and logs in ``<folder>/airflow``.

    Args:
        folder: Made where it is not there. Files that are there already are not overwritten.
        now: The time at which the run is asked for; aware.
        progress: Told, one line at a time, what is being done.

    Raises:
        InputError: The example is not installed (``EXAMPLE_MISSING``), or the folder holds something else (``FOLDER_TAKEN``).
        MissingDependency: Airflow is not installed.
        DataOpsError: Airflow itself failed.
    """
    folder = folder.absolute()
    copy_example(folder)
    outcomes = run_in_airflow(
        folder / PIPELINE, target="local", dates=DATE, now=now, progress=progress, home=folder / "airflow"
    )
    return next(iter(outcomes))


def copy_example(folder: Path) -> None:
    """Copy the example project with its data, and without what earlier runs left.

    Raises:
        InputError: The example is not installed (``EXAMPLE_MISSING``), or the folder holds something else (``FOLDER_TAKEN``).
    """
    if not (EXAMPLES / PIPELINE).is_file():
        raise InputError(
            "the example and its data are not part of the installed package",
            hint="run `make demo` in a checkout of the project, or start a pipeline with `dataops new bronze_to_silver orders`",
            code="EXAMPLE_MISSING",
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PIPELINE).is_file():
        raise InputError(
            f"{folder} is not empty, and not an earlier demo",
            hint="name another folder: dataops demo FOLDER",
            code="FOLDER_TAKEN",
        )
    shutil.copytree(EXAMPLES, folder, ignore=_MADE_BY_RUNS, dirs_exist_ok=True, copy_function=_copy_once)


def describe(outcome: RunOutcome, folder: Path) -> Iterator[str]:
    """Yield what a reader wants to know of the demo's run, one line each: verdict, rows, reasons, and where everything is."""
    result = outcome.result
    if result is None:
        yield f"flights: failed; see {folder.absolute() / 'airflow' / 'run.log'}"
        return
    yield f"flights: {result.verdict}"
    yield from (f"  {line}" for line in _rows(outcome, result))
    yield from (f"  {reason}" for reason in result.reasons)
    layout = RunLayout(str(folder.absolute() / "lake"), outcome.run.pipeline, outcome.run.key)
    if result.published:
        yield f"  silver table  {result.table}"
        yield f"  quarantine    {layout.quarantine}"
    yield f"  result page   {result.page}"
    yield f"Airflow has the run: AIRFLOW_HOME={folder.absolute() / 'airflow'} airflow standalone"


def _rows(outcome: RunOutcome, result: RunResult) -> Iterator[str]:
    rows = result.rows
    yield f"read          {rows.read:>9,}"
    yield f"quarantined   {rows.quarantined:>9,}"
    for step in outcome.steps:
        if isinstance(step, GateResult) and step.rows.quarantined:
            for rule in step.rules:
                if rule.row_rule and rule.severity == "critical" and rule.unexpected:
                    yield f"  {rule.unexpected:>9,}  {rule.id}"
    yield f"dropped       {sum(rows.dropped.values()):>9,}"
    yield from (f"  {count:>9,}  {cause}" for cause, count in rows.dropped.items())
    yield f"deduplicated  {rows.deduplicated:>9,}"
    yield f"written       {rows.written:>9,}"


def _copy_once(source: str, target: str) -> str:
    if not Path(target).exists():
        shutil.copy2(source, target)
    return target
