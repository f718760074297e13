# SPDX-License-Identifier: Apache-2.0
"""What becomes of a driver in the simulated cluster."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_dataops.core.spark_k8s.observation import EventView, ExecutorView


@dataclass
class Fate:
    """What becomes of a driver.

    Attributes:
        start: Seconds from when it has all it needs until it runs; None for never.
        run: Seconds that it runs.
        exit_code: With what it ends.
        message: Its termination message; None for ``{"rows": 3}`` of a success and nothing of a failure.
        reason: The container's reason at its end.
        waiting: What its container waits in, where it never starts.
        pod_reason: The pod's reason at its end.
        condition: A condition that it has at its end.
        scheduled: Whether it finds a node.
        events: What is told about it.
        sidecar: A second container keeps the pod at Running.
        deleted_at: Somebody deletes it so many seconds after it was made.
        grace: Seconds that a deletion takes; None for ever.
        log: End of its log.
        executors: What its executors look like.
    """

    start: float | None = 10
    run: float = 60
    exit_code: int = 0
    message: str | None = None
    reason: str = ""
    waiting: str = ""
    pod_reason: str = ""
    condition: str = ""
    scheduled: bool = True
    events: tuple[EventView, ...] = ()
    sidecar: bool = False
    deleted_at: float | None = None
    grace: float | None = 5
    log: str = ""
    executors: tuple[ExecutorView, ...] = ()

    def said(self, exit_code: int | None) -> str:
        """Return its last words."""
        return self.message if self.message is not None else '{"rows": 3}' if exit_code == 0 else ""
