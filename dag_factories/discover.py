# SPDX-License-Identifier: Apache-2.0
"""Which files below a folder are pipelines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from dag_factories.project import FILE_NAME

ENDINGS = (".yaml", ".yml")

# A Kubernetes manifest has a `kind` too, so a folder of them would be all errors; `apiVersion` is what no pipeline has.
_FOREIGN = re.compile(rb"^apiVersion\s*:", re.MULTILINE)
_RATES = re.compile(rb"^kind\s*:\s*[\"']?rate_card\b", re.MULTILINE)
_LOOKED_AT = 64 * 1024
_DATA = frozenset({"bronze", "silver", "quarantine", "__pycache__"})


def find_pipelines(folder: Path, stem: str | None = None) -> list[Path]:
    """Return all pipeline files of a folder and below, sorted.

    Every ``.yaml`` and ``.yml`` file is one, so that a broken one is never overlooked, except ``dataops.yaml``, Kubernetes manifests,
    rate cards, and what lies in hidden folders and in the layers of a lake.

    Args:
        folder: Where to look.
        stem: Only files of this name; no other file is opened then.
    """
    return sorted(path for path in yaml_files(folder) if stem in (None, path.stem) and not _is_foreign(path))


def yaml_files(folder: Path) -> Iterator[Path]:
    """Yield all YAML files of a folder and below but ``dataops.yaml``, by name alone."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _DATA)
        for name in sorted(files):
            if name.endswith(ENDINGS) and name != FILE_NAME and not name.startswith("."):
                yield Path(where, name)


def is_foreign(content: bytes) -> bool:
    """Return whether a YAML file is no pipeline but a Kubernetes manifest, or a rate card.

    Args:
        content: What it holds.
    """
    head = content[:_LOOKED_AT]
    if b"rate_card" in head and _RATES.search(head) is not None:
        return True
    return b"apiVersion" in head and _FOREIGN.search(head) is not None


def _is_foreign(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return is_foreign(stream.read(_LOOKED_AT))
    except OSError:
        return False
