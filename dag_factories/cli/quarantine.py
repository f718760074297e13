# SPDX-License-Identifier: Apache-2.0
"""List, show, replay or forget the bad rows that runs put aside.

KEY is the key of a run, as `list` shows it. `replay` does the run again with today's rules: what it published and what it put aside
is replaced. `forget` deletes the bad rows of a run and every copy of them: examples in its records, and its page.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

EXAMPLES = """\
examples:
  dataops quarantine list
  dataops quarantine show 2024-01-31T000000 --rule 'not_null(id)' --limit 5
  dataops quarantine replay 2024-01-31T000000 --pipeline orders
  dataops quarantine forget 2024-01-31T000000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("list", "show", "replay", "forget"))
    parser.add_argument("key", nargs="?", metavar="KEY", help="key of the run; not for list")
    parser.add_argument(
        "--in", dest="folder", type=Path, default=Path(), metavar="PATH", help="pipelines (default: this folder)"
    )
    parser.add_argument("--pipeline", metavar="NAME", help="the pipeline, where several have such a run")
    parser.add_argument("--target", help="target of dataops.yaml (default: $DATAOPS_TARGET, else its default_target)")
    parser.add_argument("--rule", metavar="ID", help="with show: only rows that break this rule")
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="with show: at most so many rows (default: 20)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one line a run, a row or a result")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for, and return the exit status."""
    from dag_factories.upkeep import choose, kept

    if (arguments.key is None) != (arguments.action == "list"):
        print(f"dataops quarantine {arguments.action}: takes {'no' if arguments.key else 'a'} KEY", file=sys.stderr)
        return 2
    pipelines = kept([arguments.folder], target=arguments.target)
    if arguments.action == "list":
        return _list([one for one in pipelines if arguments.pipeline in (None, one.name)], as_json=arguments.json)
    one = choose(pipelines, arguments.pipeline, arguments.key)
    action = {"show": _show, "replay": _replay, "forget": _forget}[arguments.action]
    return action(one, arguments)


def _list(pipelines: list[Any], *, as_json: bool) -> int:
    from airflow_dataops.jobs.quarantine import list_runs

    for one in pipelines:
        for bad in list_runs(one.lake, one.name):
            if as_json:
                print(json.dumps({"pipeline": one.name, **bad.model_dump(mode="json")}, ensure_ascii=False))
                continue
            print(f"{one.name} {bad.run_key}: {bad.rows:,} rows, {bad.bytes:,} bytes")
            for rule, count in bad.rules.items():
                print(f"  {count:>9,}  {rule}")
    return 0


def _show(one: Any, arguments: argparse.Namespace) -> int:
    from airflow_dataops.jobs.quarantine import show

    for number, row in enumerate(show(one.lake, one.name, arguments.key, rule=arguments.rule, limit=arguments.limit)):
        if arguments.json:
            print(json.dumps(row, ensure_ascii=False, default=str))
            continue
        print(f"{'' if number == 0 else chr(10)}row {number + 1}")
        width = max(map(len, row))
        for name, value in row.items():
            print(f"  {name:{width}}  {'-' if value is None else value}")
    return 0


def _replay(one: Any, arguments: argparse.Namespace) -> int:
    from airflow_dataops.jobs.quarantine import replay_run
    from dag_factories.cli import run as command
    from dag_factories.run import run_pipeline

    context = replay_run(one.lake, one.name, arguments.key)
    outcomes = run_pipeline(
        one.file,
        target=arguments.target,
        runs=[context],
        now=datetime.now(UTC),
        progress=command.to_stderr,
        on_step=command.as_line if arguments.json else None,
    )
    failed = [command.tell(outcome, as_json=arguments.json) for outcome in outcomes]
    return 1 if any(failed) else 0


def _forget(one: Any, arguments: argparse.Namespace) -> int:
    from airflow_dataops.jobs.quarantine import forget

    gone = forget(one.lake, one.name, arguments.key)
    if arguments.json:
        print(json.dumps({"pipeline": one.name, "run_key": arguments.key, **gone.model_dump(mode="json")}))
    else:
        page = " and the page" if gone.page else ""
        print(
            f"{one.name} {arguments.key}: {gone.rows:,} rows in {gone.files} files, {gone.examples} examples{page} deleted"
        )
    return 0
