# SPDX-License-Identifier: Apache-2.0
"""The servers, and Google's own clients for them."""

from __future__ import annotations

import pytest

from tests.services.dataproc_fake.running import Project
from tests.services.fixtures import dataproc, dataproc_server, gcs
from tests.unit.services.google import Google

__all__ = ["dataproc", "dataproc_server", "gcs", "google"]


@pytest.fixture
def google(dataproc: Project) -> Google:
    """Google's unmodified clients, in a new project where nothing takes long."""
    dataproc.configure(create=0.05, delete=0.05)
    return Google(dataproc)
