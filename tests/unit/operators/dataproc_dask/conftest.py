# SPDX-License-Identifier: Apache-2.0
"""Operators in whole runs, with Google in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.operators.stats import sent_by

if TYPE_CHECKING:
    from tests.unit.operators.dataproc_dask.memory import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Google in memory."""
    from tests.unit.operators.dataproc_dask.memory import World

    made = World()
    made.patch(monkeypatch)
    return made


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """A list that fills with ``(name, tags)`` of what is sent to Airflow's metrics."""
    from airflow_dataops.operators.dataproc_dask import _tell

    return sent_by(_tell, monkeypatch)
