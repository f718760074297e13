# SPDX-License-Identifier: Apache-2.0
"""Projects and their clocks: what the fake and its tests have in common, and that loads nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SUBJECT = "fake-subject-token"


@dataclass
class Timing:
    """How long things take, in seconds by the project's clock, unless said otherwise.

    Attributes:
        create: From the create request until the cluster runs.
        delete: From the delete request until it is gone.
        update: From the update request until it runs again.
        cancel_grace: From SIGTERM to SIGKILL of a cancelled driver; by the machine's clock.
        log_flush: Between two writes of the driver's output; by the machine's clock.
        log_part_bytes: Size at which the output's next part begins.
        ttl_divisor: Times to live fire so many times earlier than they say.
        dask_workers: Dask workers of a cluster; 0 gives it no Dask at all.
        imitated: Where it is more than 0, jobs are no processes: they are DONE after so long, with a ``result.json``; for many at once.
    """

    create: float = 0.3
    delete: float = 0.2
    update: float = 0.1
    cancel_grace: float = 5.0
    log_flush: float = 0.2
    log_part_bytes: int = 1 << 20
    ttl_divisor: float = 1.0
    dask_workers: int = 2
    imitated: float = 0.0


@dataclass
class Project:
    """A project: its clock, and how long things take in it.

    Attributes:
        real: A moment by the machine's clock, in seconds since the epoch.
        virtual: The same moment by the project's.
        speed: How much faster the project's clock goes from there.
        forbidden: Calls that came although none should have.
    """

    id: str
    real: float
    virtual: float
    speed: float = 1.0
    timing: dict[str, Any] = field(default_factory=dict)
    forbidden: int = 0

    def at(self, real: float) -> float:
        """Return the project's time at a moment of the machine's clock."""
        return self.virtual + (real - self.real) * self.speed
