# SPDX-License-Identifier: Apache-2.0
"""Ephemeral Dask on Dataproc: what to ask for, what to do next, and what it costs; nothing here talks to anybody."""

from __future__ import annotations
