# SPDX-License-Identifier: Apache-2.0
"""Write the three-line DAG file beside each pipeline file.

With one, a broken pipeline file is an import error of its own in Airflow, and takes no other DAG with it. A file of the same name
that is not such a stub is never touched.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """\
examples:
  dataops stubs dags/              write those that are missing
  dataops stubs dags/ --check      for CI: fail where one is missing, foreign, or left over
"""

_SAYS = {
    "missing": "has no stub; run `dataops stubs`",
    "foreign": "is no stub of ours, so its pipeline gets no DAG; rename one of the two files",
    "orphan": "is a stub without a pipeline file; delete it",
    "stale": "is an older stub that still works; delete it and run `dataops stubs` to renew it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths", nargs="*", type=Path, default=[Path()], metavar="PATH", help="files or folders (default: .)"
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="write nothing; exit status 1 where something is to do")
    choice.add_argument("--write", action="store_true", help="write what is missing (the default)")


def run(arguments: argparse.Namespace) -> int:
    """Write or check, and return the exit status."""
    from dag_factories.stubs import find_stubs, write_stubs

    stubs = find_stubs(arguments.paths)
    if not stubs:
        print("no pipeline files found", file=sys.stderr)
    if not arguments.check:
        for path in write_stubs(stubs):
            print(path)
    wrong = [
        stub for stub in stubs if stub.state in ("foreign", "orphan") or (arguments.check and stub.state == "missing")
    ]
    for stub in stubs:
        if stub in wrong or stub.state == "stale":
            shown = stub.pipeline if stub.state == "missing" else stub.path
            print(f"{shown} {_SAYS[stub.state]}", file=sys.stderr)
    return 1 if wrong else 0
