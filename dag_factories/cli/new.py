# SPDX-License-Identifier: Apache-2.0
"""Write a commented pipeline that runs at once.

Beside it go dataops.yaml where the project has none, the DAG file for Airflow, and a few rows of data. Nothing that is there is
changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """\
examples:
  dataops new bronze_to_silver orders
  dataops new bronze_to_silver orders --dir pipelines --no-sample
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", help="kind of the pipeline")
    parser.add_argument(
        "name", nargs="?", default="orders", help="name of the pipeline and of its file (default: orders)"
    )
    parser.add_argument("--dir", type=Path, default=Path(), help="folder (default: this one)")
    parser.add_argument("--no-sample", action="store_true", help="write no sample data")
    parser.add_argument("--no-stub", action="store_true", help="write no DAG file for Airflow")


def run(arguments: argparse.Namespace) -> int:
    """Write the files, and return the exit status."""
    from dag_factories.scaffold import scaffold

    written = scaffold(
        arguments.kind, arguments.name, arguments.dir, sample=not arguments.no_sample, stub=not arguments.no_stub
    )
    for path in written:
        print(path)
    pipeline = arguments.dir / f"{arguments.name}.yaml"
    print(f"\nnext:\n  dataops check {pipeline}\n  dataops run {pipeline}")
    return 0
