# SPDX-License-Identifier: Apache-2.0
"""The tests' own footing: a DAG can be run on the Airflow that is installed, in a home that is not the user's."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.airflow


def test_airflow_uses_the_home_of_the_tests() -> None:
    from airflow.configuration import conf

    assert conf.get("database", "sql_alchemy_conn") == f"sqlite:///{os.environ['AIRFLOW_HOME']}/airflow.db"
    assert Path(os.environ["AIRFLOW_HOME"]) != Path.home() / "airflow"


@pytest.mark.parametrize(("fails", "state"), [(False, "success"), (True, "failed")])
def test_a_dag_run_ends_in_the_state_of_its_task(run_dag: Callable[..., Any], fails: bool, state: str) -> None:
    from airflow.providers.common.compat.sdk import DAG
    from airflow.providers.standard.operators.python import PythonOperator

    def work() -> None:
        if fails:
            raise ValueError("on purpose")

    with DAG(f"footing_{state}", schedule="@daily", start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False) as dag:
        PythonOperator(task_id="work", python_callable=work)

    assert run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC)).state == state
