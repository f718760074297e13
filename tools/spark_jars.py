#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetches the jars of docker/spark-jars.lock with Maven, checks each against its SHA-256, and prints their folder.

    tools/spark_jars.py 3.5              into ~/.cache/airflow-dataops/jars/spark-3.5
    tools/spark_jars.py 4.0 FOLDER

A jar that is there and whole is not fetched again; one that is not what the lock says is deleted, and the exit code is 1.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "docker" / "spark-jars.lock"
CACHE = Path.home() / ".cache" / "airflow-dataops" / "jars"


def locked(line: str) -> dict[str, str]:
    """Return coordinates -> SHA-256 of the jars for one line of Spark.

    Args:
        line: ``3.5``.
    """
    rows = [row.split() for row in LOCK.read_text().splitlines() if row and not row.startswith("#")]
    found = {coordinates: digest for of, coordinates, digest in rows if of == line}
    if not found:
        raise SystemExit(
            f"{LOCK.name} has no jars for Spark {line!r}; it has: {', '.join(sorted({r[0] for r in rows}))}"
        )
    return found


def file_name(coordinates: str) -> str:
    """Return the name of a jar's file."""
    _, artifact, version = coordinates.split(":")
    return f"{artifact}-{version}.jar"


def fetch(coordinates: str, digest: str, folder: Path) -> str | None:
    """Make sure that a jar is there; returns what is wrong, or None."""
    path, mark = folder / file_name(coordinates), folder / f".{file_name(coordinates)}.{digest}"
    if path.exists() and mark.exists():  # half a gigabyte is not read each time
        return None
    if not path.exists():
        command = ["mvn", "-B", "-q", "dependency:copy", f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        except FileNotFoundError:
            return "Maven fetches the jars, and there is none: apt-get install maven"
        if done.returncode != 0:
            return f"mvn cannot fetch {coordinates}: {done.stdout[-1500:]}{done.stderr[-500:]}"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        path.unlink()
        return f"{path.name} has SHA-256 {found}; {LOCK.name} says {digest}"
    mark.touch()
    return None


def main(arguments: list[str]) -> int:
    """Fetch the jars of a line."""
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    line = arguments[0]
    folder = Path(arguments[1]) if len(arguments) == 2 else CACHE / f"spark-{line}"
    folder.mkdir(parents=True, exist_ok=True)
    faults = [fault for coordinates, digest in locked(line).items() if (fault := fetch(coordinates, digest, folder))]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(folder)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
