# SPDX-License-Identifier: Apache-2.0
"""The table after random days is the one that undisturbed runs would have written: short walks; `make soak AREA=publish` takes long ones."""

from __future__ import annotations

import importlib.metadata

import pytest

from tests.faults.machine import KINDS, walk


def _on_airflow_2() -> bool:
    try:
        return importlib.metadata.version("apache-airflow").startswith("2.")
    except importlib.metadata.PackageNotFoundError:
        return False


SLICES = sorted({kind.slice for kind in KINDS})


@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_a_few_random_days(table_format: str) -> None:
    walk([kind for kind in KINDS if kind.format == table_format], examples=3, steps=3, aim=True)


@pytest.mark.integration
@pytest.mark.skipif(_on_airflow_2(), reason="no Airflow takes part: it runs once, beside Airflow 3")
@pytest.mark.parametrize("owned", SLICES)
@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_random_days(table_format: str, owned: str) -> None:
    walk([kind for kind in KINDS if (kind.format, kind.slice) == (table_format, owned)], examples=4, steps=6)
