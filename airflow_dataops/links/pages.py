# SPDX-License-Identifier: Apache-2.0
"""Where a browser finds a run's page. A browser opens neither ``s3://`` nor a file of another machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from airflow_dataops.core.layout import RunLayout

URL_PREFIX = "/dataops"
LAKES_VARIABLE = "DATAOPS_LAKES"


def page_url(layout: RunLayout, report_base_url: str | None, airflow_base_url: str | None) -> str:
    """Return the address of a run's page.

    Args:
        layout: Paths of the run.
        report_base_url: Address that stands for the lake's root (a web server, a presigning proxy); used where given.
        airflow_base_url: Address of Airflow's own pages; a path is returned where it is None.

    Returns:
        ``report_base_url`` plus the page's path below the lake; for ``s3://`` and ``gs://`` the vendor's console, which asks the
        reader to log in; for a local lake the page that :mod:`airflow_dataops.plugins.report` serves.
    """
    below = layout.page.removeprefix(layout.lake).lstrip("/")
    if report_base_url:
        return f"{report_base_url.rstrip('/')}/{quote(below)}"
    parts = urlsplit(layout.page)
    if parts.scheme in {"s3", "s3a", "s3n"}:
        return f"https://s3.console.aws.amazon.com/s3/object/{parts.netloc}?prefix={quote(parts.path.lstrip('/'), safe='')}"
    if parts.scheme == "gs":
        return f"https://storage.cloud.google.com/{parts.netloc}{quote(parts.path)}"
    path = f"{URL_PREFIX}/{lake_id(layout.lake)}/{quote(layout.pipeline)}/{quote(layout.run_key)}"
    return f"{(airflow_base_url or '').rstrip('/')}{path}"


def is_local(lake: str) -> bool:
    """Return whether a lake is a folder of this machine."""
    return "://" not in lake or lake.startswith("file://")


def local_folder(lake: str) -> str:
    """Return the folder of a local lake, without ``file://`` and without a slash at the end."""
    return lake.removeprefix("file://").rstrip("/") or "/"


def lake_id(lake: str) -> str:
    """Return the short name of a lake in addresses; it tells nothing about the folder."""
    return hashlib.sha256(local_folder(lake).encode()).hexdigest()[:12]


def airflow_home() -> str:
    """Return Airflow's home folder, as Airflow finds it."""
    return os.environ.get("AIRFLOW_HOME") or os.path.expanduser("~/airflow")


def remember_lake(home: str, lake: str) -> None:
    """Note that a local lake has pages, so that a web server with the same Airflow home serves them.

    Raises:
        OSError: The note cannot be written.
    """
    note = _notes(home) / lake_id(lake)
    if is_local(lake) and not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        fresh = note.with_suffix(f".{os.getpid()}")
        fresh.write_text(local_folder(lake), encoding="utf-8")
        fresh.replace(note)


def known_lakes(home: str, configured: str | None) -> dict[str, str]:
    """Return id -> folder of every lake whose pages may be shown.

    Args:
        home: Airflow's home, with what :func:`remember_lake` noted.
        configured: Folders, with ``:`` between them.
    """
    folders = [folder for folder in (configured or "").split(os.pathsep) if folder.strip()]
    notes = _notes(home)
    if notes.is_dir():
        folders += [note.read_text(encoding="utf-8") for note in notes.iterdir() if not note.suffix]
    return {lake_id(folder): local_folder(folder) for folder in folders}


def _notes(home: str) -> Path:
    return Path(home) / "dataops" / "lakes"


__all__ = [
    "LAKES_VARIABLE",
    "URL_PREFIX",
    "airflow_home",
    "is_local",
    "known_lakes",
    "lake_id",
    "local_folder",
    "page_url",
    "remember_lake",
]
