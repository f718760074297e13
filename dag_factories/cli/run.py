# SPDX-License-Identifier: Apache-2.0
"""Run a pipeline here: the jobs of its DAG, in their order, without Airflow.

Without --date the last interval of the schedule that is over is run; the runs of a range go one after the other, each with all that the
engine is given. ${var:…} and ${conn:…} are read from AIRFLOW_VAR_* and AIRFLOW_CONN_*. Progress goes to stderr; the outcome, or with
--json each step's result as one line of JSON, to stdout.
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
  dataops run orders.yaml --threads 4 --memory 8GB --spill-dir /mnt/scratch
  dataops run orders.yaml --json | jq .rows
  dataops run orders.yaml --airflow                         as a DAG run of the installed Airflow

exit status: 0 every run passed or was published with bad rows put aside, 1 a run failed, 2 wrong usage
"""


_ELSE = "(default: resources of the pipeline, else of its target, else"
_HERE = " of the cgroup or machine)"
_LEAST = 64 * 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the pipeline file")
    parser.add_argument("--target", help="target of dataops.yaml (default: $DATAOPS_TARGET, else its default_target)")
    parser.add_argument("--date", metavar="A[..B]", help="the interval that starts then, or all from A to B")
    parser.add_argument("--threads", type=_threads, metavar="N", help=f"threads of the engine {_ELSE} all cores{_HERE}")
    parser.add_argument(
        "--memory",
        type=_memory,
        metavar="SIZE",
        help=f"memory of a job, as 512MB or 4GiB {_ELSE} most of what is free{_HERE}",
    )
    parser.add_argument(
        "--spill-dir",
        type=_folder,
        metavar="DIR",
        help=f"folder for what does not fit in memory {_ELSE} $TMPDIR or /tmp)",
    )
    parser.add_argument("--json", action="store_true", help="print each step's result as one line of JSON")
    parser.add_argument("--airflow", action="store_true", help="run it as a DAG run of the installed Airflow")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Run, print, and return the exit status."""
    from dag_factories.cli._findings import show
    from dag_factories.findings import PipelineError

    if arguments.airflow and any((arguments.threads, arguments.memory, arguments.spill_dir)):
        print(
            "dataops run: --threads, --memory and --spill-dir limit a run here, and --airflow runs in Airflow",
            file=sys.stderr,
        )
        print("  -> leave them out, or write them as `resources` into the pipeline", file=sys.stderr)
        return 2
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
    from airflow_dataops.core.tables import Resources
    from dag_factories.run import run_pipeline

    given = Resources(memory_bytes=arguments.memory, threads=arguments.threads, spill_dir=arguments.spill_dir)
    return run_pipeline(arguments.file, resources=given, **options)


def _threads(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of threads; write a whole number from 1 on, as 4")
    return int(text)


def _memory(text: str) -> int:
    from pydantic_core import PydanticCustomError

    from dag_factories.specs.values import size

    try:
        found = int(text) if text.isascii() and text.isdigit() else size(text)
    except PydanticCustomError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it as 512MB or 4GiB") from None
    if found < _LEAST:
        raise argparse.ArgumentTypeError(f"{text!r} is too little; the engine needs 64MB or more")
    return found


def _folder(text: str) -> str:
    path = Path(text).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a file; name a folder, which is made where it is missing")
    return str(path)


def to_stderr(line: str) -> None:
    """Tell progress."""
    print(line, file=sys.stderr, flush=True)


def as_line(result: JobResult) -> None:
    """Print a step's result as one line of JSON."""
    print(json.dumps(result.model_dump(mode="json"), ensure_ascii=False), flush=True)


def tell(outcome: RunOutcome, *, as_json: bool) -> bool:
    """Print what became of a run; returns whether it failed."""
    if not as_json:
        print(f"{outcome.run.pipeline} {outcome.run.key}: {outcome.verdict}")
        for line in _details(outcome):
            print(f"  {line}")
    return outcome.failed or (outcome.result is None and outcome.verdict == "failed")


def _details(outcome: RunOutcome) -> list[str]:
    result = outcome.result
    errors = [step.error for step in outcome.steps if step.error is not None]
    hints = [f"-> {hint}" for hint in dict.fromkeys(error["hint"] for error in errors) if hint]
    if result is None:
        values = {step.task: getattr(step, "value", None) for step in outcome.steps}
        made = [
            f"{task}: {json.dumps(value, ensure_ascii=False)}" for task, value in values.items() if value is not None
        ]
        return made + [f"{error['code']}: {error['message']}" for error in errors] + hints
    rows = result.rows
    flow = {"read": rows.read, "put aside": rows.quarantined, **{f"dropped by {k}": n for k, n in rows.dropped.items()}}
    flow |= {"deduplicated": rows.deduplicated, "written": rows.written}
    lines = ["rows: " + ", ".join(f"{name} {count:,}" for name, count in flow.items() if count)]
    lines += result.reasons + hints
    lines += [f"table: {result.table}"] if result.table and result.published else []
    return lines + ([f"page:  {result.page}"] if result.page else [])
