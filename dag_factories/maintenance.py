# SPDX-License-Identifier: Apache-2.0
"""The DAG that looks after the lakes of a folder's pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load_maintenance(
    file: str, path: str = ".", *, target: str | None = None, schedule: str | None = "@daily", **dag_arguments: Any
) -> Any:
    """Return a DAG of one task that does what ``dataops maintain`` does, for all pipelines of a folder.

    The folder is read when the task runs, so the DAG costs nothing to parse and knows pipelines that were added since.

    Args:
        file: The calling file, ``__file__``; its stem is the DAG's id.
        path: The folder of the pipelines, from the folder of ``file``.
        target: Name of a target in ``dataops.yaml``; without it ``DATAOPS_TARGET``, else the project's default.
        schedule: When it runs: cron text, preset, or None.
        dag_arguments: Further arguments of the DAG (``tags``, ``default_args`` …); they win over the defaults here.
    """
    from dag_factories.realise.maintain import maintenance_dag

    folder = (Path(file).parent / path).resolve()
    return maintenance_dag(file, folder, target=target, schedule=schedule, **dag_arguments)


__all__ = ["load_maintenance"]
