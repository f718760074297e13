# SPDX-License-Identifier: Apache-2.0
"""The fake Dataproc and the real GCS server, for clients without Airflow."""

from __future__ import annotations

from tests.services.fixtures import dataproc, dataproc_server, gcs

__all__ = ["dataproc", "dataproc_server", "gcs"]
