#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: T201 - a script that talks to whoever builds the image
"""Lists what the image holds (packages with versions, jars with SHA-256) and compares it with the locks; a difference ends the build.

    image_contents.py requirements/spark35.txt docker/spark-jars.lock 3.5 /opt/spark/jars

Jars that PySpark brings itself are not listed: its wheel's own checksum is in the lock of packages.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from importlib import metadata
from pathlib import Path

OURS = "airflow-dataops"
OF_PYTHON = {"pip", "setuptools", "wheel", "uv"}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def plain(name: str) -> str:
    """Return a package's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages() -> dict[str, str]:
    """Return package -> version of this Python."""
    return {plain(one.metadata["Name"]): one.version for one in metadata.distributions()}


def faults_of_packages(lock: str, found: dict[str, str]) -> list[str]:
    """Return where packages differ from the text of a lock."""
    wanted = {plain(name): version for name, version in _PIN.findall(lock)}
    there = {name: version for name, version in found.items() if name not in OF_PYTHON and name != OURS}
    missing = [
        f"{name} {wanted[name]} is not there" for name in sorted(wanted.keys() - there.keys()) if name not in OF_PYTHON
    ]
    more = [f"{name} {there[name]} is not in the lock" for name in sorted(there.keys() - wanted.keys())]
    other = [
        f"{name} is {there[name]}, the lock says {wanted[name]}"
        for name in sorted(there.keys() & wanted.keys())
        if there[name] != wanted[name]
    ]
    return missing + more + other


def faults_of_jars(lock: str, line: str, folder: Path) -> list[str]:
    """Return which jars of a lock's text are missing in a folder, or are others than it says."""
    faults = []
    for row in lock.splitlines():
        if not row.startswith(f"{line} "):
            continue
        _, coordinates, digest = row.split()
        path = folder / "{1}-{2}.jar".format(*coordinates.split(":"))
        if not path.is_file():
            faults.append(f"{path.name} is not there")
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            faults.append(f"{path.name} has SHA-256 {found}, the lock says {digest}")
    return faults


def main(lock: str, jars_lock: str, line: str, folder: str) -> int:
    """Print the list and the faults; returns the exit code."""
    found = packages()
    print(
        json.dumps(
            {"packages": dict(sorted(found.items())), "jars": sorted(path.name for path in Path(folder).glob("*.jar"))}
        )
    )
    faults = faults_of_packages(Path(lock).read_text(encoding="utf-8"), found)
    faults += faults_of_jars(Path(jars_lock).read_text(encoding="utf-8"), line, Path(folder))
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
