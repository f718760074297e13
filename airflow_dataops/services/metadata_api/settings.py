# SPDX-License-Identifier: Apache-2.0
"""What the API is started with."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_dataops.core.metadata.batch import BATCH_BYTES
from airflow_dataops.core.metadata.wire import TOPIC


@dataclass(frozen=True)
class Limits:
    """What the API holds at once; more is answered with 429.

    Attributes:
        requests: Requests that are worked on.
        size: Bytes of their bodies, together.
        body: Bytes of one body, and of what a compressed one unfolds to.
        read_seconds: In which a body has to arrive.
        publish_seconds: In which the brokers have to acknowledge.
        retry_seconds: What ``Retry-After`` says.
        inline: Bodies up to so many bytes are read on the event loop, larger ones on a thread beside it.
    """

    requests: int = 256
    size: int = 64 << 20
    body: int = BATCH_BYTES
    read_seconds: float = 30.0
    publish_seconds: float = 10.0
    retry_seconds: int = 2
    inline: int = 128 << 10


@dataclass(frozen=True)
class ApiSettings:
    """Settings of the application.

    Attributes:
        topic: Where events go.
        subjects: Common names of client certificates that may post; empty: whatever the authority has signed.
        needs_certificate: A request without a certificate is refused, for whatever reason it came so far.
        limits: What is held at once.
    """

    topic: str = TOPIC
    subjects: frozenset[str] = frozenset()
    needs_certificate: bool = False
    limits: Limits = field(default_factory=Limits)


__all__ = ["ApiSettings", "Limits"]
