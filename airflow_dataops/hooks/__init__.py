# SPDX-License-Identifier: Apache-2.0
"""Hooks: each turns an Airflow connection into the settings of a client; secrets by reference are looked up here, too."""

from __future__ import annotations
