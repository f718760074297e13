# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.services import maven

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


def test_two_that_fetch_the_same_jars_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands, met, folder = tmp_path / "bin", tmp_path / "met", tmp_path / "cache" / "jars-1"
    commands.mkdir()
    met.mkdir()
    (commands / "mvn").write_text(MVN)
    (commands / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MET", str(met))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: maven.jars(folder, ["a.group:a-name:1"]), range(2)))
    assert found == [folder, folder]
    assert "a-name" in (folder / "some.jar").read_text()
    assert list(folder.parent.iterdir()) == [folder]
