# SPDX-License-Identifier: Apache-2.0
"""A small Dask cluster for tests, and sources cut into as many parts as can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_dataops.engines import dask_parts


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[Any]:
    """Two workers as threads of this process; gives their client."""
    distributed: Any = pytest.importorskip("distributed", reason="needs Dask: pip install 'airflow-dataops[dask]'")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, memory_limit=0
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def many_parts() -> Iterator[None]:
    """Cut every source into a part for each row group."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask_parts, "_LEAST", 1)
        patch.setattr(dask_parts, "_PER_THREAD", 10**9)
        yield
