# SPDX-License-Identifier: Apache-2.0
"""A project in a folder, and its DAG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MINIMAL = """\
version: 1
kind: bronze_to_silver
name: orders
source: {path: "${lake}/bronze/orders"}
target: {path: "${lake}/silver/orders"}
schedule: "@daily"
start_date: 2024-01-01
full: true
"""


@pytest.fixture
def dag_of(tmp_path: Path) -> Callable[..., Any]:
    """Return ``dag_of(more="", project="", text=MINIMAL)``: the DAG of ``orders.yaml`` in a project of its own."""

    def make(more: str = "", project: str = "", text: str = MINIMAL) -> Any:
        from dag_factories import load_dag

        (tmp_path / "dataops.yaml").write_text(f"version: 1\n{project}")
        (tmp_path / "orders.yaml").write_text(text + more)
        stub = tmp_path / "orders.py"
        stub.write_text('"""The airflow dag of orders.yaml."""\n')  # Airflow 3 keeps the text of a DAG's file
        return load_dag(str(stub))

    return make
