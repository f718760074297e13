# SPDX-License-Identifier: Apache-2.0
"""Which file an address means, if it may be shown at all."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.providers.common.compat.sdk import conf

from airflow_dataops.core.layout import RunLayout
from airflow_dataops.links.pages import LAKES_VARIABLE, airflow_home, known_lakes

NOT_FOUND = "There is no such page. It is written when the run's report task has ended."
# The page needs no script and nothing from the network; a value from bad data that looks like markup stays without effect, too.
HEADERS = {
    "Content-Security-Policy": (
        "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def find_page(lake: str, pipeline: str, run_key: str) -> Path | None:
    """Return the file of a page, or None where there is none or it may not be shown.

    Only ``report.html`` below the runs of a lake that is in ``DATAOPS_LAKES``, in ``[dataops] lakes``, or that a task of this
    Airflow home has worked on.

    Args:
        lake: Short name of the lake (:func:`airflow_dataops.links.pages.lake_id`).
        pipeline: Name of the pipeline.
        run_key: Key of the run.
    """
    configured = os.environ.get(LAKES_VARIABLE) or conf.get("dataops", "lakes", fallback=None)
    folder = known_lakes(airflow_home(), configured).get(lake)
    if folder is None or not all(map(_is_name, (pipeline, run_key))):
        return None
    layout = RunLayout(folder, pipeline, run_key)
    page = Path(layout.page).resolve()
    runs = Path(folder).resolve() / ".dataops" / "runs"
    inside = page.is_relative_to(runs) and page.name == "report.html"
    return page if inside and page.is_file() else None


def _is_name(text: str) -> bool:
    """Return whether a part of an address is one name of a folder, and not a way out of it."""
    return text not in {"", ".", ".."} and not set(text) & set("/\\\0")


__all__ = ["HEADERS", "NOT_FOUND", "find_page"]
