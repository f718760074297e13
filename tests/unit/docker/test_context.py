# SPDX-License-Identifier: Apache-2.0
"""What a build of the job image is sent: all that its Dockerfile copies, and nothing else. Without Docker, by its rules of ``.dockerignore``."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from tests.unit.docker.scripts import ROOT, instructions

PARTS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
WHEEL = "dist/airflow_dataops-1.2.3-py3-none-any.whl"


def patterns() -> list[tuple[re.Pattern[str], bool]]:
    """Return each pattern, and whether what it matches is left out; a later one goes before an earlier one."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [
        (_pattern(line.removeprefix("!").strip("/")), not line.startswith("!"))
        for line in map(str.strip, lines)
        if line and not line.startswith("#")
    ]


def _pattern(text: str) -> re.Pattern[str]:
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    return re.compile("".join(PARTS.get(piece, re.escape(piece)) for piece in pieces))


def is_sent(path: str) -> bool:
    """Tell whether a file is sent; what matches a folder matches all that is in it."""
    places = [path, *map(str, PurePosixPath(path).parents)]
    left_out = False
    for pattern, leaves_out in patterns():
        if any(pattern.fullmatch(place) for place in places):
            left_out = leaves_out
    return not left_out


def copied() -> list[str]:
    """Return what the Dockerfile copies from the checkout: files, and all files of folders; of the wheel one as a build names it."""
    found = list[str]()
    for word, rest in instructions():
        if word != "COPY" or rest.startswith("--from"):
            continue
        for source in rest.split()[:-1]:
            files = sorted(path for path in (ROOT / source).rglob("*.txt")) if source.endswith("/") else [ROOT / source]
            found += [str(path.relative_to(ROOT)) for path in files]
    return [WHEEL if path.startswith("dist/") else path for path in found]


@pytest.mark.parametrize("path", copied())
def test_what_the_dockerfile_copies_is_sent(path: str) -> None:
    assert is_sent(path)


def test_nothing_else_is_sent() -> None:
    folders = {path.partition("/")[0] for path in copied()}
    assert {path.name for path in ROOT.iterdir() if is_sent(path.name)} <= folders
    sent = {str(path.relative_to(ROOT)) for path in Path(ROOT, "docker").rglob("*") if path.is_file()}
    assert {path for path in sent if is_sent(path)} - {"docker/metadata.Dockerfile", "docker/spark.Dockerfile"} <= set(
        copied()
    )


@pytest.mark.parametrize(
    "path",
    [
        ".venv/bin/python",
        ".venv-airflow2/pyvenv.cfg",
        ".git/config",
        ".env",
        "airflow-home/airflow.cfg",
        "docker/__pycache__/fetch_jars.pyc",
        "docker/tls.key",
        "requirements/.env.prod",
        "requirements/company/ca.pem",
        "dist/airflow_dataops-1.2.3.tar.gz",
        "airflow.kubeconfig",
        "tests/unit/docker/test_context.py",
    ],
)
def test_environments_history_and_keys_are_not(path: str) -> None:
    assert not is_sent(path)
