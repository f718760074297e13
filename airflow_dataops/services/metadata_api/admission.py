# SPDX-License-Identifier: Apache-2.0
"""How much is held at once: a place for a request before its body is read, and for each byte of it before it is kept."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from airflow_dataops.services.metadata_api.refusals import Refused
from airflow_dataops.services.metadata_api.settings import Limits


class Admission:
    """Counts what is held. Used on the event loop only.

    Args:
        limits: What may be.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.requests = 0
        self.size = 0

    def enter(self) -> Lease:
        """Return a place.

        Raises:
            Refused: There is none (429).
        """
        if self.requests >= self._limits.requests:
            raise self._busy(f"{self.requests} requests are being worked on")
        self.requests += 1
        return Lease(self)

    def take(self, size: int) -> None:
        """Hold more bytes.

        Raises:
            Refused: So many are not free (429).
        """
        if self.size + size > self._limits.size:
            raise self._busy(f"{self.size} bytes of bodies are held")
        self.size += size

    def _busy(self, what: str) -> Refused:
        return Refused(429, "BUSY", f"{what}; no more are taken", retry=self._limits.retry_seconds)


class Lease:
    """The place of one request, given back at its end."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.size = 0

    def grow(self, size: int) -> None:
        """Hold so many bytes more; raises as :meth:`Admission.take`."""
        self._admission.take(size)
        self.size += size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.requests -= 1
        self._admission.size -= self.size


__all__ = ["Admission", "Lease"]
