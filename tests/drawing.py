# SPDX-License-Identifier: Apache-2.0
"""What CI draws from a list that is too long for it: the same for the same commit, so that a failure can be had again."""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def drawing() -> tuple[str, random.Random]:
    """Return the commit's hash, or a fixed text where there is no git, and what draws by it."""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    seed = asked.stdout.strip() or "no commit"
    return seed, random.Random(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
