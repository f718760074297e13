# SPDX-License-Identifier: Apache-2.0
"""A million events from producers to store and archive, through fifty kills, two restarts of the broker, and a store that goes away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.metadata.whole_way import whole_way
from tests.services.s3_servers import S3Server

pytestmark = pytest.mark.soak
EVENTS = int(os.environ.get("DATAOPS_SOAK_EVENTS", "1000000"))


def test_metadata_events_survive_everything(tmp_path: Path, seaweedfs: S3Server) -> None:
    found = whole_way(tmp_path, seaweedfs, EVENTS, kills=50, brokers=2, seed=1, batch=5_000)
    print({name: round(value) for name, value in found.items()})
    assert found["records"] >= EVENTS * 0.99
