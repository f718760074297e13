# SPDX-License-Identifier: Apache-2.0
"""Print the version of dataops, and with --all those of what does the work."""

from __future__ import annotations

import argparse
import platform

EXAMPLES = "examples:\n  dataops version --all"

_PACKAGES = ("apache-airflow", "duckdb", "pyarrow", "deltalake", "sqlglot", "pydantic", "fsspec")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--all", action="store_true", help="also the packages that do the work")


def run(arguments: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    from airflow_dataops import __version__

    print(f"dataops {__version__}")
    if arguments.all:
        from importlib.metadata import PackageNotFoundError, version

        print(f"python {platform.python_version()} on {platform.system()} {platform.machine()}")
        for package in _PACKAGES:
            try:
                print(package, version(package))
            except PackageNotFoundError:
                print(package, "is not installed")
    return 0
