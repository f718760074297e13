# SPDX-License-Identifier: Apache-2.0
"""A million events, a worker that is killed fifty times, its broker twice and its store once: store and archive are the model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.metadata.chaos import survive, world
from tests.services.s3_servers import S3Server

pytestmark = pytest.mark.soak
# Smaller for a look: METADATA_EVENTS=40000 METADATA_KILLS=20 make soak AREA=metadata
EVENTS = int(os.environ.get("METADATA_EVENTS", "1000000"))
KILLS = int(os.environ.get("METADATA_KILLS", "50"))


def test_a_million_events_survive(tmp_path: Path, seaweedfs: S3Server) -> None:
    with world(tmp_path, seaweedfs) as here:
        found = survive(here, EVENTS, kills=KILLS, brokers=2, seed=1_000_000, batch=5_000)
        print(found)
        assert found["records"] == EVENTS
