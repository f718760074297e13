# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told about this provider. Plain data: importing it imports nothing else."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-dataops",
        "name": "DataOps",
        "description": "Operators and YAML pipelines for data teams: quality gates, Bronze to Silver, Spark, Dask and Kafka.",
    }


__all__ = ["get_provider_info"]
