# SPDX-License-Identifier: Apache-2.0
"""Orders to the jobs' processes: at this fault point of that pipeline, die or wait. ``faults/sitecustomize.py`` carries them out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

from airflow_dataops.core.faults import FaultPoint
from tests.integration.airflow_kill.stack import wait_for

Act = Literal["task", "supervisor", "hold"]
HOOK = Path(__file__).with_name("faults") / "sitecustomize.py"


class Orders:
    """The folder of orders.

    Args:
        folder: An empty folder; it has to be on the PYTHONPATH of whoever starts jobs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("orders", "taken", "go", "survived"):
            (folder / name).mkdir(parents=True)
        shutil.copy(HOOK, folder)

    def give(self, pipeline: str, point: FaultPoint, act: Act) -> None:
        """Let the first job of the pipeline that comes to the point kill its task's process, or that one's supervisor, or wait."""
        (self.folder / "orders" / f"{pipeline}@{point}").write_text(act)

    def taken(self, pipeline: str, point: FaultPoint, seconds: float = 400.0) -> dict[str, Any]:
        """Return, once it has been carried out, who was where: process ids of ``job``, ``task`` and ``supervisor``."""
        file = self.folder / "taken" / f"{pipeline}@{point}"
        wait_for(f"{pipeline} at {point}", file.exists, seconds)
        return dict(json.loads(file.read_text()))

    def is_taken(self, pipeline: str, point: FaultPoint) -> bool:
        """Tell whether an order has been carried out."""
        return (self.folder / "taken" / f"{pipeline}@{point}").exists()

    def go(self, pipeline: str, point: FaultPoint) -> None:
        """Let a job that waits go on."""
        (self.folder / "go" / f"{pipeline}@{point}").touch()

    def survivors(self) -> list[str]:
        """Return the orders whose job outlived its task."""
        return sorted(path.name for path in (self.folder / "survived").iterdir())
