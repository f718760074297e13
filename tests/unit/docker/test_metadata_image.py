# SPDX-License-Identifier: Apache-2.0
"""The image of infra/edge without Docker: what its Dockerfile promises to the manifests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.docker.scripts import DOCKER, ROOT, instructions

yaml = pytest.importorskip("yaml")
SAID = instructions((DOCKER / "metadata.Dockerfile").read_text(encoding="utf-8"))


def rest_of(word: str) -> list[str]:
    return [rest for one, rest in SAID if one == word]


def test_it_runs_as_the_user_of_the_manifests_and_begins_with_the_command() -> None:
    assert json.loads(rest_of("ENTRYPOINT")[0]) == ["dataops"]
    users = set()
    for name in ("api", "worker", "topics"):
        document = next(
            iter(yaml.safe_load_all(Path(ROOT, f"infra/edge/base/{name}.yaml").read_text(encoding="utf-8")))
        )
        users.add(str(document["spec"]["template"]["spec"]["securityContext"]["runAsUser"]))
    assert users == {rest_of("USER")[-1]}


def test_packages_are_taken_by_their_checksums_from_a_lock_that_is_there() -> None:
    [run] = rest_of("RUN")
    assert [
        ("--require-hashes" in part) or ("--no-deps --no-index" in part)
        for part in run.split("&&")
        if "pip install" in part
    ] == [True, True]
    [copied] = rest_of("COPY")
    lock = copied.split()[0]
    assert f"-r /build/{Path(lock).name}" in run
    assert "fastapi==" in (ROOT / lock).read_text(encoding="utf-8")
