# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.services import kafka_server, maven

# Goes on when a second one has come, and then says in the jar what it was asked for.
MVN = """#!/bin/sh
touch "$MET/$$"
tries=0
while [ "$(ls "$MET" | wc -l)" -lt 2 ]; do
  tries=$((tries + 1))
  [ $tries -lt 3000 ] || exit 1
  sleep 0.01
done
cp pom.xml some.jar || exit 1
"""


# As where no registry can be reached.
OFFLINE = """#!/bin/sh
echo "[ERROR] Unknown host" >&2
exit 1
"""
ROOT = Path(__file__).resolve().parents[3]


def put_maven(folder: Path, program: str) -> str:
    """Lay a Maven into a folder, and return a PATH on which it is found first."""
    folder.mkdir()
    (folder / "mvn").write_text(program)
    (folder / "mvn").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_two_that_fetch_the_same_jars_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    met, folder = tmp_path / "met", tmp_path / "cache" / "jars-1"
    met.mkdir()
    monkeypatch.setenv("PATH", put_maven(tmp_path / "bin", MVN))
    monkeypatch.setenv("MET", str(met))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: maven.jars(folder, ["a.group:a-name:1"]), range(2)))
    assert found == [folder, folder]
    assert "a-name" in (folder / "some.jar").read_text()
    assert list(folder.parent.iterdir()) == [folder]


def test_jars_that_cannot_be_had_are_a_reason_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache" / "jars-1"
    monkeypatch.setenv("PATH", put_maven(tmp_path / "bin", OFFLINE))
    monkeypatch.setattr(maven, "java_home", lambda: "/a/java")
    reason = maven.unavailable("real Thing", folder, ("a.group:a-name:1",))
    assert reason
    assert reason.startswith(
        f"real Thing needs its jars in {folder}, and they cannot be had: mvn could not fetch a.group:a-name:1"
    )
    assert "Unknown host" in reason
    assert list(folder.parent.iterdir()) == []


def test_the_tool_that_fetches_kafka_fails_where_it_cannot(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": put_maven(tmp_path / "bin", OFFLINE),
        "HOME": str(tmp_path),
        "JAVA_HOME": "/a/java",
    }
    command = [sys.executable, str(ROOT / "tools/kafka_jars.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Unknown host" in done.stderr
    folder = tmp_path / ".cache/airflow-dataops" / kafka_server.JARS.name
    folder.mkdir()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, str(folder))
