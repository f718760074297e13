# SPDX-License-Identifier: Apache-2.0
"""How large a worker's container is: one a node, as in the standalone runtime, with room for YARN's own containers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_dataops.core.dataproc_dask.result import Code
from airflow_dataops.core.errors import SpecError

MASTER_MIB = 1024  # the application's own container, which lies on one of the nodes
_SMALLEST_MIB = 256
_MIB = 2**20


@dataclass(frozen=True)
class Container:
    """Resources of one container."""

    vcores: int
    memory_mib: int


def container_size(
    nodes: Sequence[tuple[int, int]], *, threads: int | None = None, memory: int | None = None
) -> Container:
    """Return the size of a worker's container.

    Raises:
        SpecError: It fits on no node (``RUNTIME_FAILED``): YARN would end the application without a word to Dask.

    Args:
        nodes: Memory in MiB and cores that YARN has on each running node; the smallest one counts.
        threads: Threads that the job asks for; None takes all cores of a node.
        memory: Memory in bytes that the job asks for; None takes what a node has beside the application's master.
    """
    node_memory, node_cores = min(size for size, _ in nodes), min(cores for _, cores in nodes)
    wanted = -(-memory // _MIB) if memory is not None else max(_SMALLEST_MIB, node_memory - MASTER_MIB)
    largest = max(size for size, _ in nodes)
    if wanted > largest:
        raise SpecError(
            f"a worker of {wanted} MiB fits on no node; the largest gives YARN {largest} MiB",
            hint="ask for less worker_memory, or take larger machines",
            code=Code.RUNTIME_FAILED,
        )
    return Container(threads or max(1, node_cores), wanted)


__all__ = ["MASTER_MIB", "Container", "container_size"]
