# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one application."""

    def __init__(self) -> None:
        self._registry = made = CollectorRegistry()
        self.requests = Counter("dataops_metadata_api_requests", "Requests by status.", ["code"], registry=made)
        self.events = Counter(
            "dataops_metadata_api_events",
            "Events: accepted, refused, failed to be published.",
            ["outcome"],
            registry=made,
        )
        self.publish = Histogram(
            "dataops_metadata_api_publish_seconds", "Until all events of a request are acknowledged.", buckets=_SECONDS, registry=made
        )  # fmt: skip
        self.in_flight = Gauge("dataops_metadata_api_in_flight_bytes", "Bytes of bodies that are held.", registry=made)
        for outcome in ("accepted", "refused", "failed"):
            self.events.labels(outcome)

    def text(self) -> bytes:
        """Return them as Prometheus reads them."""
        return generate_latest(self._registry)


__all__ = ["Metrics"]
