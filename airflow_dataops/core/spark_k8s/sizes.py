# SPDX-License-Identifier: Apache-2.0
"""How much a pod takes of the cluster: the arithmetic of Spark's ``BasicDriverFeatureStep`` and ``ResourceProfile``, 3.5 and 4.x alike."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_dataops.core.spark_k8s.quantities import MIB, Cpu, Memory, quantity, spark_memory_mib
from airflow_dataops.core.spark_k8s.spec import DynamicExecutors, PodSize, SparkApp

LEAST_OVERHEAD = 384
JVM_FACTOR, PYTHON_FACTOR = 0.1, 0.4
LEAST_HEAP = 450  # Spark's own bound: one and a half times the 300 MiB that it keeps for itself


@dataclass(frozen=True)
class Requests:
    """What one pod asks for.

    Attributes:
        cpu: Request.
        cpu_limit: Limit; None for none.
        memory: Request and limit of the container.
        overhead: The part of ``memory`` beside the heap that Spark calls overhead.
    """

    cpu: Cpu
    cpu_limit: Cpu | None
    memory: Memory
    overhead: Memory

    def resources(self) -> dict[str, dict[str, str]]:
        """Return ``resources`` of a container."""
        limits = {"memory": str(self.memory)} | ({"cpu": str(self.cpu_limit)} if self.cpu_limit else {})
        return {"requests": {"cpu": str(self.cpu), "memory": str(self.memory)}, "limits": limits}


def driver_requests(app: SparkApp) -> Requests:
    """Return what the driver's pod asks for: heap and overhead."""
    return _requests(app.driver, overhead(app.driver, app.python), 0)


def executor_requests(app: SparkApp) -> Requests:
    """Return what one executor's pod asks for: heap, overhead, memory off the heap (``spark.memory.offHeap.size``) and Python's own."""
    python = app.executor.pyspark_memory if app.python else None
    return _requests(app.executor, overhead(app.executor, app.python), _off_heap(app) + (python.mib if python else 0))


def overhead(size: PodSize, python: bool) -> Memory:
    """Return what a container has beside the heap: as given, else the share of the heap cut to a whole MiB, at least 384 MiB."""
    if size.memory_overhead is not None:
        return size.memory_overhead
    return Memory(max(int(factor(size, python) * size.memory.mib), LEAST_OVERHEAD))


def factor(size: PodSize, python: bool) -> float:
    """Return the share of the heap that the overhead is."""
    default = PYTHON_FACTOR if python else JVM_FACTOR
    return default if size.memory_overhead_factor is None else size.memory_overhead_factor


def most_executors(app: SparkApp) -> int:
    """Return how many executors there can be at once."""
    return app.executors.maximum if isinstance(app.executors, DynamicExecutors) else app.executors


def _requests(size: PodSize, beside: Memory, more: int) -> Requests:
    return Requests(size.cores, size.cpu_limit, Memory(size.memory.mib + beside.mib + more), beside)


def _off_heap(app: SparkApp) -> int:
    if app.conf.get("spark.memory.offHeap.enabled", "false").strip().lower() != "true":
        return 0
    return off_heap_mib(app.conf.get("spark.memory.offHeap.size", "0"))


def off_heap_mib(text: str) -> int:
    """Return ``spark.memory.offHeap.size`` in MiB, cut to whole ones; a number without a unit is bytes there.

    Raises:
        ValueError: Spark would refuse it.
    """
    plain = text.strip()
    return int(quantity(plain)) // MIB if plain.isdecimal() else spark_memory_mib(plain)
