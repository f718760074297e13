# SPDX-License-Identifier: Apache-2.0
"""The pinned jars of the Spark that is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def pinned_jars() -> str:
    """Return them as one argument of ``--jars``; skips the test where they cannot be had."""
    import pyspark

    line = ".".join(pyspark.__version__.split(".")[:2])
    done = subprocess.run([str(ROOT / "tools/spark_jars.py"), line], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the jars of docker/spark-jars.lock: tools/spark_jars.py {line} ({done.stderr[-300:]})")
    return ",".join(map(str, sorted(Path(done.stdout.strip()).glob("*.jar"))))
