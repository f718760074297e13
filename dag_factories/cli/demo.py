# SPDX-License-Identifier: Apache-2.0
"""Run the flights example in a folder of its own, as a real DAG run, and say what came out.

336,776 real flights are gated, the bad rows are put aside with the reason for each, the rest is cleaned, deduplicated, masked, gated
again and published; a page with charts shows it.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

EXAMPLES = """\
examples:
  dataops demo
  dataops demo /tmp/flights --open
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("demo-output"), help="where (default: demo-output)"
    )
    parser.add_argument("--open", action="store_true", help="open the result page in a browser")


def run(arguments: argparse.Namespace) -> int:
    """Run, print, and return the exit status."""
    from dag_factories.demo import describe, run_demo

    outcome = run_demo(arguments.folder, now=datetime.now(UTC), progress=_progress)
    for line in describe(outcome, arguments.folder):
        print(line)
    result = outcome.result
    if arguments.open and result is not None and result.page:
        import webbrowser

        webbrowser.open(Path(result.page).as_uri())
    return 1 if outcome.failed or result is None else 0


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
