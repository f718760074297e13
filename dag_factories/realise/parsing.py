# SPDX-License-Identifier: Apache-2.0
"""What Airflow wants of a DAG file while it reads it."""

from __future__ import annotations

BROKEN_DAG_ID = "dataops_broken_files"


def wanted_dag_id() -> str | None:
    """Return the DAG whose task is being started; None while all DAGs of the file are read."""
    from airflow.providers.common.compat.sdk import get_parsing_context

    wanted: str | None = get_parsing_context().dag_id
    return wanted
