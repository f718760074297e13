# SPDX-License-Identifier: Apache-2.0
"""The DAG that looks after the lakes of a folder's pipelines."""

from __future__ import annotations

from datetime import UTC, datetime
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
    from airflow.providers.common.compat.sdk import DAG

    from dag_factories.realise.maintain import MaintainProjectOperator

    defaults: dict[str, Any] = {
        "start_date": datetime(2020, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["dataops"],
        "doc_md": "Puts small files together and deletes what nothing needs any more: see `dataops maintain --help`.",
    }
    with DAG(Path(file).stem, schedule=schedule, **{**defaults, **dag_arguments}) as dag:
        MaintainProjectOperator(task_id="maintain", folder=str((Path(file).parent / path).resolve()), target=target)
    dag.fileloc = file
    return dag


__all__ = ["load_maintenance"]
