# SPDX-License-Identifier: Apache-2.0
"""The unmodified operators against the fake Dataproc, which they reach as they would Google: TLS, and tokens of a federated identity."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.dataproc_dask.setting import CONNECTION, Setting, connection_to
from tests.services.dataproc_fake.running import Project
from tests.services.fixtures import dataproc, dataproc_server, gcs

__all__ = ["dataproc", "dataproc_server", "gcs", "setting"]


@pytest.fixture
def setting(dataproc: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """A project, a connection without a key, and arguments for operators."""
    monkeypatch.setenv(CONNECTION, connection_to(dataproc, tmp_path))
    return Setting(dataproc)
