# SPDX-License-Identifier: Apache-2.0
"""Who can be imported where, and what that loads; import-linter reads the text, this looks at what really happens."""

from __future__ import annotations

import sys

import pytest

from tests.house.tree import AIRFLOW_FREE, REALISE, ROOT, SHELL, imported_by, modules

# What costs a DAG file a tenth of a second or more, on every parse.
HEAVY = {
    *(
        "boto3",
        "botocore",
        "confluent_kafka",
        "dask",
        "deltalake",
        "distributed",
        "duckdb",
        "gcsfs",
        "google",
        "great_expectations",
    ),
    *(
        "jinja2",
        "kubernetes",
        "mlflow",
        "numpy",
        "pandas",
        "pyarrow",
        "pymongo",
        "pyspark",
        "requests",
        "s3fs",
        "sqlglot",
    ),
}
# What every DAG file loads anyway, before the first line of ours.
FLOOR = "from airflow.providers.common.compat.sdk import DAG, BaseOperator"


@pytest.mark.parametrize("layer", [layer for layer in AIRFLOW_FREE if (ROOT / "airflow_dataops" / layer).is_dir()])
def test_a_layer_below_the_shell_imports_without_airflow(layer: str) -> None:
    assert "airflow" not in {
        name.split(".")[0] for name in imported_by(modules(f"airflow_dataops.{layer}"), block="airflow")
    }


def test_the_factories_import_without_airflow() -> None:
    names = [name for name in modules("dag_factories") if not name.startswith(REALISE)]
    assert imported_by(names, block="airflow") >= set(names)


def test_the_factories_load_nothing_heavy() -> None:
    names = [name for name in modules("dag_factories") if not name.startswith(REALISE)]
    assert heavy(imported_by(names)) == set()


@pytest.mark.airflow
def test_what_a_dag_file_imports_loads_nothing_heavy_beyond_airflow() -> None:
    names = modules(*(f"airflow_dataops.{layer}" for layer in SHELL), REALISE)
    assert heavy(imported_by(names, after=FLOOR)) == set()


def test_the_provider_is_described_without_importing_anything() -> None:
    foreign = {
        name
        for name in imported_by(["airflow_dataops.provider_info"])
        if name.split(".")[0] not in sys.stdlib_module_names
    }
    assert foreign == {"airflow_dataops", "airflow_dataops.provider_info"}


def heavy(loaded: set[str]) -> set[str]:
    return {name.split(".")[0] for name in loaded} & HEAVY
