# SPDX-License-Identifier: Apache-2.0
"""Run a pipeline here: the jobs of its DAG, in their order, without Airflow.

Without --date the last interval of the schedule that is over is run. ${var:…} and ${conn:…} are read from AIRFLOW_VAR_* and
AIRFLOW_CONN_*. Progress goes to stderr; the outcome, or with --json each step's result as one line of JSON, to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_dataops.core.tables import JobResult
    from dag_factories.run import RunOutcome

EXAMPLES = """\
examples:
  dataops run orders.yaml
  dataops run orders.yaml --date 2024-01-31
  dataops run orders.yaml --date 2024-01-01..2024-01-31     one run for each interval
  dataops run orders.yaml --json | jq .rows
  dataops run orders.yaml --airflow                         as a DAG run of the installed Airflow

exit status: 0 every run passed or was published with bad rows put aside, 1 a run failed, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the pipeline file")
    parser.add_argument("--target", help="target of dataops.yaml (default: $DATAOPS_TARGET, else its default_target)")
    parser.add_argument("--date", metavar="A[..B]", help="the interval that starts then, or all from A to B")
    parser.add_argument("--json", action="store_true", help="print each step's result as one line of JSON")
    parser.add_argument("--airflow", action="store_true", help="run it as a DAG run of the installed Airflow")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Run, print, and return the exit status."""
    from dag_factories.cli._findings import show
    from dag_factories.findings import PipelineError

    try:
        outcomes = _outcomes(arguments)
        failed = [tell(outcome, as_json=arguments.json) for outcome in outcomes]
    except PipelineError as error:
        show(error, arguments.file)
        return 1
    return 1 if any(failed) else 0


def _outcomes(arguments: argparse.Namespace) -> Iterable[RunOutcome]:
    options = {
        "target": arguments.target,
        "dates": arguments.date,
        "now": datetime.now(UTC),
        "progress": None if arguments.quiet else to_stderr,
        "on_step": as_line if arguments.json else None,
    }
    if arguments.airflow:
        from dag_factories.realise.local_run import run_in_airflow

        return run_in_airflow(arguments.file, **options)
    from dag_factories.run import run_pipeline

    return run_pipeline(arguments.file, **options)


def to_stderr(line: str) -> None:
    """Tell progress."""
    print(line, file=sys.stderr, flush=True)


def as_line(result: JobResult) -> None:
    """Print a step's result as one line of JSON."""
    print(json.dumps(result.model_dump(mode="json"), ensure_ascii=False), flush=True)


def tell(outcome: RunOutcome, *, as_json: bool) -> bool:
    """Print what became of a run; returns whether it failed."""
    result = outcome.result
    if not as_json:
        verdict = result.verdict if result else "failed"
        print(f"{outcome.run.pipeline} {outcome.run.key}: {verdict}")
        for line in _details(outcome):
            print(f"  {line}")
    return outcome.failed or result is None


def _details(outcome: RunOutcome) -> list[str]:
    result = outcome.result
    if result is None:
        errors = [step.error for step in outcome.steps if step.error is not None]
        return [f"{error['code']}: {error['message']}" for error in errors]
    rows = result.rows
    flow = {"read": rows.read, "put aside": rows.quarantined, **{f"dropped by {k}": n for k, n in rows.dropped.items()}}
    flow |= {"deduplicated": rows.deduplicated, "written": rows.written}
    lines = ["rows: " + ", ".join(f"{name} {count:,}" for name, count in flow.items() if count)]
    lines += result.reasons
    lines += [f"table: {result.table}"] if result.table and result.published else []
    return lines + ([f"page:  {result.page}"] if result.page else [])
