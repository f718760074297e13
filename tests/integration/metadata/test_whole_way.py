# SPDX-License-Identifier: Apache-2.0
"""Twenty thousand events from producers to store and archive, through ten kills, a restarted broker and a store that goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.metadata.whole_way import whole_way
from tests.services.s3_servers import S3Server

pytestmark = pytest.mark.integration


@pytest.mark.timeout(1500)
def test_what_got_a_202_is_in_store_and_archive_once(tmp_path: Path, seaweedfs: S3Server) -> None:
    found = whole_way(tmp_path, seaweedfs, 20_000, kills=10, seed=7, batch=500)
    print({name: round(value) for name, value in found.items()})
    assert found["records"] >= 19_900
    assert found["documents"] > 5_000
