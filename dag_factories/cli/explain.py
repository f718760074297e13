# SPDX-License-Identifier: Apache-2.0
"""Explain a kind, a key of it, or what a pipeline file will do.

With --sql, the SQL that each step of the file will run is shown. Nothing is run.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

EXAMPLES = """\
examples:
  dataops explain bronze_to_silver
  dataops explain bronze_to_silver.clean.dedup
  dataops explain project.targets              of dataops.yaml
  dataops explain orders.yaml
  dataops explain orders.yaml --sql
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what", metavar="KIND[.KEY]|FILE", help="a kind, a key of it, project for dataops.yaml, or a file"
    )
    parser.add_argument("--sql", action="store_true", help="show the SQL that the file's steps will run")
    parser.add_argument("--date", metavar="A[..B]", help="with --sql, the run whose SQL is shown (default: the latest)")
    parser.add_argument("--target", help="target of dataops.yaml (default: $DATAOPS_TARGET, else its default_target)")


def run(arguments: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    what = Path(arguments.what)
    if not (what.suffix in (".yaml", ".yml") or what.is_file()):
        if arguments.sql:
            print("dataops explain: --sql explains a file, not a kind", file=sys.stderr)
            return 2
        from dag_factories.explain import explain_key

        print(explain_key(arguments.what))
        return 0
    return _file(what, arguments)


def _file(path: Path, arguments: argparse.Namespace) -> int:
    from dag_factories.cli._findings import show
    from dag_factories.explain import explain_plan
    from dag_factories.findings import PipelineError
    from dag_factories.pipeline import load_pipeline
    from dag_factories.plans import plan_of

    try:
        pipeline = load_pipeline(path, target=arguments.target)
        spec, project, target = pipeline.require()
    except PipelineError as error:
        show(error, path)
        return 1
    plan = plan_of(spec, project, target, pipeline.relative)
    if not arguments.sql:
        print(explain_plan(plan))
        return 0
    from dag_factories.sql import sql_of

    if pipeline.context is not None:
        for task, text in sql_of(plan, project, pipeline.context, dates=arguments.date, now=datetime.now(UTC)):
            print(f"-- {task}\n{text};\n")
    return 0
