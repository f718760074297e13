# SPDX-License-Identifier: Apache-2.0
"""Hooks: each turns an Airflow connection into the settings of a client, and does nothing else."""

from __future__ import annotations
