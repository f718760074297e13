# SPDX-License-Identifier: Apache-2.0
"""Say all that is wrong in pipeline files and in their dataops.yaml.

Nothing is executed and no Airflow is needed. The columns of a source are read where its files are there, to find columns that
a rule or a cleaning step names and that do not exist.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dag_factories.check.files import Report

EXAMPLES = """\
examples:
  dataops check .                           every pipeline of this folder and below
  dataops check orders.yaml --target gcp    as it would run elsewhere
  dataops check . --format sarif > dataops.sarif

exit status: 0 nothing found, 1 findings, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a pipeline file, or a folder of them")
    parser.add_argument(
        "--format", choices=("text", "json", "sarif"), default="text", help="how to print (default: text)"
    )
    parser.add_argument("--target", help="target of dataops.yaml (default: $DATAOPS_TARGET, else its default_target)")
    parser.add_argument("--no-data", action="store_true", help="do not look at the source's columns")


def run(arguments: argparse.Namespace) -> int:
    """Check, print, and return the exit status."""
    from dag_factories.check.files import check_files

    missing = [path for path in arguments.paths if not path.exists()]
    if missing:
        print(f"dataops check: there is no {', '.join(map(str, missing))}", file=sys.stderr)
        return 2
    report = check_files(arguments.paths, target=arguments.target, data=not arguments.no_data)
    findings = report.findings
    if findings or arguments.format != "text":
        _print(report, arguments.format)
    if arguments.format == "text":
        print(_summary(report.files, [finding.severity for finding in findings]), file=sys.stderr)
    return 1 if findings else 0


def _print(report: Report, form: str) -> None:
    from dag_factories.check.formats import as_json, as_sarif, as_text

    if form == "json":
        print(as_json(report.findings))
    elif form == "sarif":
        from airflow_dataops import __version__

        print(as_sarif(report.findings, __version__))
    else:
        print(as_text(report.findings, report.texts))


def _summary(files: int, severities: list[str]) -> str:
    checked = f"{files} file{'' if files == 1 else 's'} checked"
    if not files:
        return "no pipeline files found"
    if not severities:
        return f"{checked}: all well"
    counts = [(severities.count(name), name) for name in ("error", "warning")]
    return f"\n{checked}: " + ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts if count)
