# SPDX-License-Identifier: Apache-2.0
"""Text files decoded by Spark's executors: in each a Python process with the same DuckDB that decodes them everywhere else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_dataops.clients.limits import memory_free
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.engines.limits import Limits, cores

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Decoding goes through a file in pieces; the JVM beside it needs the rest.
_MOST, _LEAST, _SHARE = 512 * 2**20, 64 * 2**20, 0.3


def decode_all(spark: SparkSession, source: Any, pairs: Sequence[tuple[str, str]]) -> list[Any]:
    """Decode files, each in a task; see :func:`airflow_dataops.engines.duckdb_decode.decode`.

    Args:
        spark: Session.
        source: The source.
        pairs: A file, and the Parquet file to write.

    Raises:
        DataOpsError: What a task has raised, as it would have been raised here.
    """
    tasks = spark.sparkContext.parallelize([(source, *pair) for pair in pairs], len(pairs))
    found: list[Any] = tasks.mapPartitions(_decode).collect()
    for one in found:
        if isinstance(one, DataOpsError):
            raise one
    return found


def _decode(tasks: Iterable[tuple[Any, str, str]]) -> Iterator[Any]:
    from airflow_dataops.engines.duckdb_decode import decode_file
    from airflow_dataops.engines.duckdb_session import Session

    for source, path, target in tasks:
        session = Session(_limits())
        try:
            yield decode_file(session, storage_for(target), source, path, target)
        except DataOpsError as error:
            # Spark would run the task again, and turn the error into a text.
            yield error
        finally:
            session.close()


def _limits() -> Limits:
    free = memory_free()
    share = None if free is None else min(max(int(free * _SHARE / cores()), _LEAST), _MOST)
    return Limits(share, 1, tempfile.gettempdir())
