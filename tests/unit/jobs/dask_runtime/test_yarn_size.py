# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.jobs.dask_runtime.yarn_size import Container, container_size


def test_a_worker_is_as_large_as_the_smallest_node_beside_the_master_of_the_application() -> None:
    found = container_size([(12624, 4), (25248, 8)])
    assert (found.vcores, found.memory_mib) == (4, 11600)


def test_what_the_job_asks_for_counts_and_is_rounded_up() -> None:
    found = container_size([(12624, 4)], threads=2, memory=2**30 + 1)
    assert (found.vcores, found.memory_mib) == (2, 1025)


def test_a_tiny_node_still_gets_a_worker() -> None:
    assert container_size([(512, 0)]).memory_mib == 256


def test_what_fits_on_no_node_is_refused() -> None:
    with pytest.raises(SpecError, match="65536 MiB fits on no node; the largest gives YARN 25248 MiB") as caught:
        container_size([(12624, 4), (25248, 8)], memory=64 * 2**30)
    assert caught.value.code == "RUNTIME_FAILED"


def test_the_dashboard_is_where_the_gateway_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_dataops.jobs.dask_runtime import yarn

    monkeypatch.delenv(yarn.HOST, raising=False)
    assert yarn._options(Container(2, 1024))["dashboard_address"] == ":8787"
    monkeypatch.setenv(yarn.HOST, "127.0.0.1")
    assert yarn._options(Container(2, 1024))["dashboard_address"] == "127.0.0.1:0"
