# SPDX-License-Identifier: Apache-2.0
"""Airflow operators, sensors, triggers and hooks for data pipelines, around a core that is free of Airflow."""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
