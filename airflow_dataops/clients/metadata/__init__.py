# SPDX-License-Identifier: Apache-2.0
"""Metadata events: what reads and writes them outside of this process. ``MetadataClient`` is what a notebook needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.clients.metadata.client import Batching, MetadataClient, NotSent

__all__ = ["Batching", "MetadataClient", "NotSent"]


def __getattr__(name: str) -> Any:
    """Import the client when it is asked for: who only reads from Kafka does not load it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from airflow_dataops.clients.metadata import client

    return getattr(client, name)


def __dir__() -> list[str]:
    """Name what can be asked for."""
    return sorted({*globals(), *__all__})
