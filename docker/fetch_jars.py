#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: T201 - a script that talks to whoever builds the image
"""Fetches the jars of one line of Spark into a folder, and takes none whose SHA-256 is not the lock's.

    fetch_jars.py spark-jars.lock 3.5 https://repository.example.com/maven2 /jars

It needs no Maven: the lock names each file.
"""

from __future__ import annotations

import hashlib
import sys
import urllib.request
from pathlib import Path


def locked(lock: Path, line: str) -> dict[str, str]:
    """Return path in a repository -> SHA-256 of the jars for one line of Spark."""
    rows = [row.split() for row in lock.read_text(encoding="utf-8").splitlines() if row and not row.startswith("#")]
    found = {}
    for of, coordinates, digest in rows:
        group, artifact, version = coordinates.split(":")
        if of == line:
            found[f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.jar"] = digest
    return found


def main(lock: str, line: str, repository: str, folder: str) -> int:
    """Fetch and check; returns the exit code."""
    jars = locked(Path(lock), line)
    if not jars:
        print(f"{lock} has no jars for Spark {line!r}", file=sys.stderr)
        return 1
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path, digest in jars.items():
        place = Path(folder, path.rpartition("/")[2])
        found = hashlib.sha256()
        with urllib.request.urlopen(f"{repository.rstrip('/')}/{path}") as answer, place.open("wb") as file:  # noqa: S310
            while piece := answer.read(1 << 20):
                found.update(piece)
                file.write(piece)
        if found.hexdigest() != digest:
            place.unlink()
            print(f"{place.name} has SHA-256 {found.hexdigest()}; {lock} says {digest}", file=sys.stderr)
            return 1
        place.chmod(0o644)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
