# SPDX-License-Identifier: Apache-2.0
"""What every test gets: an Airflow home of its own, made before anything imports Airflow, and DAG runs on either version."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# A busy machine is no bug. CI draws the same cases each time, so that it judges a commit, not luck. Here, since a test's settings are made from the
# profile when its module is imported, whichever folder that happens from.
settings.register_profile("dataops", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("dataops")

HAS_AIRFLOW = importlib.util.find_spec("airflow") is not None
NEEDS_AIRFLOW = "needs Airflow: pip install 'airflow-dataops[airflow]'"


def _use_own_airflow_home() -> Path:
    """Point Airflow at an empty folder; each process of a parallel run has its own, so that no two share a database."""
    home = Path(tempfile.mkdtemp(prefix="dataops-tests-"))
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(home, ignore_errors=True) if os.getpid() == owner else None)
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        del os.environ[name]
    (home / "dags").mkdir()
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": "c2VjcmV0LW9mLXRoZS10ZXN0cy1vbmx5LTMyLWJ5dGU=",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY": "True",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "OPENLINEAGE_DISABLED": "true",
    }
    return home


AIRFLOW_HOME = _use_own_airflow_home()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked ``airflow`` where Airflow is not installed."""
    if not HAS_AIRFLOW:
        for item in items:
            if item.get_closest_marker("airflow"):
                item.add_marker(pytest.mark.skip(reason=NEEDS_AIRFLOW))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Turn a test module that cannot import Airflow into a skip, where Airflow is not installed; any other error stays one."""
    report = yield
    if not HAS_AIRFLOW and report.failed and "No module named 'airflow'" in str(report.longrepr):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {NEEDS_AIRFLOW}")
    return report


@pytest.fixture(scope="session")
def airflow_db() -> Path:
    """Make Airflow's database once for this process, on first use.

    Returns:
        Airflow's home.
    """
    if not HAS_AIRFLOW:
        pytest.skip(NEEDS_AIRFLOW)
    from airflow.utils.db import initdb

    initdb()
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
    except ModuleNotFoundError:
        return AIRFLOW_HOME  # Airflow 2 has no bundles
    DagBundlesManager().sync_bundles_to_db()
    return AIRFLOW_HOME


@pytest.fixture
def run_dag(airflow_db: Path) -> Callable[..., Any]:
    """Return ``run(dag, logical_date=None, conf=None)``: a whole run in this process through ``dag.test()``, on either version.

    It returns the DagRun; a failed task leaves it in state ``failed`` and raises nothing.
    """

    def run(dag: Any, logical_date: datetime | None = None, conf: dict[str, Any] | None = None) -> Any:
        from airflow import __version__ as version

        if version.startswith("2."):
            return dag.test(execution_date=logical_date, run_conf=conf)
        _register(dag)
        return dag.test(logical_date=logical_date, run_conf=conf)

    return run


def _register(dag: Any) -> None:
    """Store the DAG as the DAG processor would: Airflow 3 runs only what is in its database."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import LazyDeserializedDAG, SerializedDAG

    lazy = LazyDeserializedDAG.from_dag(dag)
    SerializedDAG.bulk_write_to_db("dags-folder", None, [lazy])
    SerializedDagModel.write_dag(lazy, bundle_name="dags-folder")
