# SPDX-License-Identifier: Apache-2.0
"""Forks processes that each run the operator, or its trigger alone, and that are there to be killed; see ``walker.py``.

What a child is told: ``{"arguments": {…}, "deferrable": true, "clock": […]}`` or ``{"trigger": {…}, "clock": […]}``; ``tries`` is the number
of the task's try. It writes to the file ``outcome`` what it came to: what the operator returned, or what the trigger's event carries.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.triggers.dataproc_dask import DataprocDaskTrigger
from tests.integration.dataproc_dask.operating import keep_time, shell
from tests.integration.dataproc_dask.walker import GOOGLE
from tests.integration.forking import serve
from tests.unit.operators.shell import fire

HOOK = "airflow.providers.google.common.hooks.base_google"


def work(told: dict[str, Any]) -> None:
    """Do what is asked for, to the end."""
    real, virtual, speed = told["clock"]
    keep_time(lambda: datetime.fromtimestamp(virtual + (time.time() - real) * speed, UTC), speed, pytest.MonkeyPatch())
    found: Any
    if "trigger" in told:
        found = fire(DataprocDaskTrigger(**told["trigger"]))
    else:
        found = shell(told["arguments"], deferrable=told["deferrable"], tries=told.get("tries", 1)).run()
    if "outcome" in told:
        Path(told["outcome"]).write_text(json.dumps(found))


if __name__ == "__main__":
    serve(work, *GOOGLE, HOOK)
