# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.spark_k8s.quantities import Memory
from airflow_dataops.core.spark_k8s.sizes import (
    LEAST_OVERHEAD,
    driver_requests,
    executor_requests,
    most_executors,
    off_heap_mib,
    overhead,
)
from airflow_dataops.core.spark_k8s.spec import PodSize, SparkApp


def app(main: str = "local:///job.py", **parts: Any) -> SparkApp:
    return SparkApp.model_validate({"image": "i", "main": main, **parts})


@pytest.mark.parametrize(
    ("main", "driver", "whole"),
    [
        ("local:///job.py", {}, 1433),  # as measured of spark-submit's own drivers
        ("local:///job.jar", {}, 1408),
        ("local:///job.jar", {"memory": "8g"}, 9011),
        ("local:///job.py", {"memory": "512m"}, 896),
        ("local:///job.py", {"memory": "2g", "memory_overhead": "1g"}, 3072),
        ("local:///job.py", {"memory": "2g", "memory_overhead": "100m"}, 2148),
        ("local:///job.py", {"memory": "10g", "memory_overhead_factor": 0.1}, 11264),
        ("local:///job.py", {"memory": "1Gi"}, 1433),
    ],
)
def test_a_driver_is_as_large_as_spark_makes_it(main: str, driver: dict[str, Any], whole: int) -> None:
    assert driver_requests(app(main, driver=driver)).memory == Memory(whole)


@pytest.mark.parametrize(
    ("main", "parts", "whole"),
    [
        ("local:///job.py", {}, 1433),
        ("local:///job.py", {"executor": {"pyspark_memory": "1g"}}, 2457),
        ("local:///job.jar", {"executor": {"pyspark_memory": "1g"}}, 1408),
        ("local:///job.jar", {"conf": {"spark.memory.offHeap.enabled": True, "spark.memory.offHeap.size": "1g"}}, 2432),
        (
            "local:///job.jar",
            {"conf": {"spark.memory.offHeap.enabled": True, "spark.memory.offHeap.size": 1073741824}},
            2432,
        ),
        (
            "local:///job.jar",
            {"conf": {"spark.memory.offHeap.enabled": False, "spark.memory.offHeap.size": "1g"}},
            1408,
        ),
        ("local:///job.jar", {"conf": {"spark.memory.offHeap.enabled": True}}, 1408),
    ],
)
def test_an_executor_is_as_large_as_spark_makes_it(main: str, parts: dict[str, Any], whole: int) -> None:
    assert executor_requests(app(main, **parts)).memory == Memory(whole)


@given(st.integers(450, 2**20), st.booleans())
def test_the_overhead_is_the_share_cut_and_never_too_small(heap: int, python: bool) -> None:
    share = overhead(PodSize(memory=Memory(heap)), python).mib
    assert share >= LEAST_OVERHEAD
    assert share == LEAST_OVERHEAD or 0 <= (0.4 if python else 0.1) * heap - share < 1


def test_memory_is_limited_and_the_processor_only_when_asked() -> None:
    sized = app(driver={"cores": "500m"}, executor={"cores": 2, "cpu_limit": "2500m"})
    assert driver_requests(sized).resources() == {
        "requests": {"cpu": "500m", "memory": "1433Mi"},
        "limits": {"memory": "1433Mi"},
    }
    assert executor_requests(sized).resources()["limits"] == {"memory": "1433Mi", "cpu": "2500m"}


def test_most_executors() -> None:
    assert most_executors(app(executors=3)) == 3
    assert most_executors(app(executors={"maximum": 20})) == 20


@pytest.mark.parametrize(("text", "mib"), [("0", 0), ("1048576", 1), ("1048575", 0), ("2g", 2048), (" 1g ", 1024)])
def test_memory_off_the_heap(text: str, mib: int) -> None:
    assert off_heap_mib(text) == mib
