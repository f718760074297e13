# SPDX-License-Identifier: Apache-2.0
"""DAG files as Airflow reads them, on either version."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def dag_bag(path: Path) -> Any:
    """Return Airflow's bag of the DAGs of a file or folder, read with safe mode on and without Airflow's own examples."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ModuleNotFoundError:  # Airflow 2
        from airflow.models.dagbag import DagBag

        return DagBag(str(path), safe_mode=True, include_examples=False)
    return DagBag(str(path), safe_mode=True)


def dag_of(folder: Path, name: str) -> Any:
    from dag_factories import load_dag

    stub = folder / f"{name}.py"
    stub.write_text(f'"""The airflow dag of {name}.yaml."""\n')
    return load_dag(str(stub))
