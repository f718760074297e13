# SPDX-License-Identifier: Apache-2.0
"""Small jobs that tests start as real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_dataops.core.run import RunContext

MODULE = "tests.sample_jobs.sample_job"
ROOT = Path(__file__).resolve().parents[2]
RUN = RunContext(pipeline="flights", key="2024-01-01T000000")


def document(lake: Path, mode: str, **fields: Any) -> dict[str, Any]:
    """Return the raw spec of a sample job."""
    return {"job": "sample", "task": "step", "lake": str(lake), "run": RUN.model_dump(), "mode": mode, **fields}
