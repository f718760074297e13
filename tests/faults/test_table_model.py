# SPDX-License-Identifier: Apache-2.0
"""The table after random days is the one that undisturbed runs would have written: short walks; `make soak AREA=publish` takes long ones.

CI walks half of the kinds of tables, drawn from the commit's hash; `make soak AREA=random_days` walks the others.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest

from tests.drawing import drawing
from tests.faults.machine import KINDS, walk


def _on_airflow_2() -> bool:
    try:
        return importlib.metadata.version("apache-airflow").startswith("2.")
    except importlib.metadata.PackageNotFoundError:
        return False


OWNED = sorted({(kind.format, kind.slice) for kind in KINDS})


def _owned() -> list[Any]:
    """Return format and slice of each kind of tables; those that are not drawn are for the soak."""
    _, draw = drawing()
    drawn = draw.sample(OWNED, len(OWNED) // 2)
    return [pytest.param(*one, marks=[] if one in drawn else [pytest.mark.soak]) for one in OWNED]


@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_a_few_random_days(table_format: str) -> None:
    walk([kind for kind in KINDS if kind.format == table_format], examples=3, steps=3, aim=True)


@pytest.mark.integration
@pytest.mark.skipif(_on_airflow_2(), reason="no Airflow takes part: it runs once, beside Airflow 3")
@pytest.mark.parametrize(("table_format", "owned"), _owned())
def test_random_days(table_format: str, owned: str) -> None:
    walk([kind for kind in KINDS if (kind.format, kind.slice) == (table_format, owned)], examples=4, steps=6)
