# SPDX-License-Identifier: Apache-2.0
"""Dask's performance report of the function's work. It is worth having and never worth a failure."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_dataops.clients.job_files import JobFiles

log = logging.getLogger("airflow_dataops.jobs.dask")


class Report:
    """Records from :meth:`begin` on, and writes the page with :meth:`keep`.

    Args:
        client: The connected client.
        path: Local file in between.
    """

    def __init__(self, client: Any, path: Path) -> None:
        self._client, self._path = client, path
        self._open: Any = None

    def begin(self) -> None:
        """Start to record."""
        if find_spec("bokeh") is None:
            log.info("no performance report: bokeh is not in the environment")
            return
        from distributed import performance_report

        report: Any = performance_report(filename=str(self._path))  # type: ignore[no-untyped-call]
        try:
            report.__enter__()
        except Exception as error:  # noqa: BLE001 - the scheduler is of another version, …
            log.warning("no performance report: %s: %s", type(error).__name__, error)
        else:
            self._open = report

    def keep(self, files: JobFiles, uri: str) -> None:
        """Write the page to ``uri``."""
        if self._open is None:
            return
        try:
            self._open.__exit__(None, None, None)
            files.write(uri, self._path.read_bytes())
        except Exception as error:  # noqa: BLE001 - the scheduler may be gone
            log.warning("the performance report is not kept: %s: %s", type(error).__name__, error)


__all__ = ["Report"]
