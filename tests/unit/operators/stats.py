# SPDX-License-Identifier: Apache-2.0
"""What is sent to Airflow's metrics."""

from __future__ import annotations

from typing import Any

import pytest


def sent_by(module: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Return a list that fills with ``(name, tags)`` of what a module sends, instead of Airflow."""
    sent: list[tuple[str, dict[str, str]]] = []

    def keep(name: str, *args: Any, tags: dict[str, str] | None = None, **others: Any) -> None:
        sent.append((name, tags or {}))

    for kind in ("incr", "gauge", "timing"):
        monkeypatch.setattr(module.Stats, kind, keep)
    return sent
