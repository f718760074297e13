# SPDX-License-Identifier: Apache-2.0
"""The operator in whole runs, with Kubernetes in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.unit.operators.stats import sent_by

if TYPE_CHECKING:
    from tests.unit.operators.spark_k8s.memory import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Kubernetes in memory, and the connection with the secret of the sample."""
    from tests.unit.operators.spark_k8s.memory import SECRET, World, connect

    connect(monkeypatch, "store", conn_type="generic", password=SECRET)
    made = World()
    made.patch(monkeypatch)
    return made


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """A list that fills with ``(name, tags)`` of what is sent to Airflow's metrics."""
    from airflow_dataops.operators.spark_k8s import _tell

    return sent_by(_tell, monkeypatch)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Returns all that was logged so far, by whichever way this Airflow logs."""
    caplog.set_level(logging.INFO)
    heard: list[str] = []

    def so_far() -> str:
        heard.append(capsys.readouterr().out)
        return "".join(heard) or caplog.text

    return so_far
