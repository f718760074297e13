# SPDX-License-Identifier: Apache-2.0
"""Scripts of docker/, as modules; and what the Dockerfile says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from types import ModuleType

from tests.house import tree

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"


def script(name: str) -> ModuleType:
    """Return a script of docker/ as a module."""
    return tree.script(f"docker/{name}.py")


def instructions(text: str | None = None) -> list[tuple[str, str]]:
    """Return the instructions of docker/spark.Dockerfile, of its last stage last, with their continued lines."""
    said = (DOCKER / "spark.Dockerfile").read_text(encoding="utf-8") if text is None else text
    plain = re.sub(r"\\\n", " ", "\n".join(line for line in said.splitlines() if not line.lstrip().startswith("#")))
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in plain.splitlines() if line.strip())
    ]


def last_stage() -> list[tuple[str, str]]:
    """Return the instructions of the image itself."""
    every = instructions()
    return every[max(n for n, (word, _) in enumerate(every) if word == "FROM") :]


def environment() -> dict[str, str]:
    """Return the image's variables."""
    given = [part for word, rest in last_stage() if word == "ENV" for part in shlex.split(rest)]
    return {name: value for name, _, value in (part.partition("=") for part in given)}


def entrypoint() -> list[str]:
    """Return the image's entry point."""
    [said] = [rest for word, rest in last_stage() if word == "ENTRYPOINT"]
    found: list[str] = json.loads(said)
    return found
