# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told about this provider: plain data, gathered from ``provider/<stem>.json``, one file an area."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the shape of Airflow's ``provider_info.schema.json``.

    Each file of ``airflow_dataops/provider`` adds to the lists (``extra-links``, ``notifications``, ``connection-types``, …), so that a new
    area is a new file. Nothing of the package is imported: Airflow calls this at every start.
    """
    info: dict[str, Any] = {
        "package-name": "airflow-dataops",
        "name": "DataOps",
        "description": "Operators and YAML pipelines for data teams: quality gates, Bronze to Silver, Spark, Dask and Kafka.",
    }
    folder = files("airflow_dataops") / "provider"
    fragments = [entry for entry in folder.iterdir() if entry.name.endswith(".json")] if folder.is_dir() else []
    for fragment in sorted(fragments, key=lambda entry: entry.name):
        for key, entries in json.loads(fragment.read_text(encoding="utf-8")).items():
            info.setdefault(key, []).extend(entries)
    return info


__all__ = ["get_provider_info"]
