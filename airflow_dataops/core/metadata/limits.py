# SPDX-License-Identifier: Apache-2.0
"""How large an event and its parts may be. The schema shows these numbers; none of them depends on a setting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EVENT_BYTES = 512 << 10  # of the canonical bytes; Kafka takes 1 MiB, and a dead letter needs room for its headers
DEPTH = 12  # of nested objects and lists
LARGEST_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly

KEY = 200
NAME = 256
URI = 2048
MESSAGE = 4096
IMAGES = 256
LABELS = 100
EMBEDDING = 4096
LOGS = 1000
METRICS = 2000
ATTRIBUTES = 64

FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)  # that the clock of a producer may be ahead
