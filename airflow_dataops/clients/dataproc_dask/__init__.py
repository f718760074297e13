# SPDX-License-Identifier: Apache-2.0
"""All that talks to Google for Dask on Dataproc; what to say is decided in ``core/dataproc_dask``."""

from __future__ import annotations
