# SPDX-License-Identifier: Apache-2.0
"""Where the Kubernetes of the tests is: one binary, built once by ``tools/kube.sh`` and kept in the cache under a key of its sources."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = ("go.mod", "go.sum", "main.go")
HOW_TO_GET_IT = "needs a real Kubernetes: `tools/kube.sh` builds it into ~/.cache once (Go, 10 to 20 minutes)"


def place() -> Path:
    """Return where the binary of these sources belongs."""
    key = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "airflow-dataops" / "kube" / key / "kube"


def binary() -> Path | None:
    """Return the binary; None where it was not built."""
    found = place()
    return found if os.access(found, os.X_OK) else None
