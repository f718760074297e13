# SPDX-License-Identifier: Apache-2.0
"""Look after the lakes of pipelines: put small files together, and delete what nothing needs any more.

Deleted are files that no version of a table has needed for 7 days, staging that runs gave up, and bad rows older than their
pipeline's `quarantine: {retention_days: …}`. A table that is being changed is left for the next time.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

EXAMPLES = """\
examples:
  dataops maintain --dry-run        say what would be done
  dataops maintain pipelines/ --target local
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths", nargs="*", type=Path, default=[Path()], metavar="PATH", help="files or folders (default: .)"
    )
    parser.add_argument("--dry-run", action="store_true", help="change nothing, only say what would be done")
    parser.add_argument("--target", help="target of dataops.yaml (default: $DATAOPS_TARGET, else its default_target)")
    parser.add_argument("--json", action="store_true", help="print each lake's result as one line of JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look after each lake, and return the exit status."""
    from airflow_dataops.jobs import maintain
    from airflow_dataops.jobs.process import execute
    from dag_factories.upkeep import kept, maintain_specs

    pipelines = kept(arguments.paths, target=arguments.target)
    if not pipelines:
        print("no pipeline files found", file=sys.stderr)
    failed = False
    for spec in maintain_specs(pipelines, now=datetime.now(UTC), dry_run=arguments.dry_run):
        result = execute(spec, maintain.run, {}, _progress)
        failed = failed or result.status != "ok"
        if arguments.json:
            print(json.dumps(result.model_dump(mode="json"), ensure_ascii=False))
            continue
        actions = getattr(result, "actions", [])
        print(f"{spec.lake}: " + (f"{len(actions)} things done" if actions else "nothing to do"))
        for line in [*actions, *([f"{result.error['code']}: {result.error['message']}"] if result.error else [])]:
            print(f"  {line}")
    return 1 if failed else 0


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
