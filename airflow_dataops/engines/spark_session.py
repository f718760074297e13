# SPDX-License-Identifier: Apache-2.0
"""The Spark session that a job runs on: that of its driver, or one on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_dataops.core.errors import DataOpsError, MissingDependency
from airflow_dataops.core.s3 import S3Settings
from airflow_dataops.core.secrets import parse
from airflow_dataops.core.sql.dialects import SETTINGS
from airflow_dataops.core.tables import Resources
from airflow_dataops.engines.limits import limits

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What would make the same file or query mean something else. Set on a session of the job's own: the caller's stays as it is.
PINNED = {
    **SETTINGS["spark"],
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.mergeSchema": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
}
# Of a process's memory; the rest is for Python, and for what the JVM needs beside its heap.
_HEAP = 0.6
_LEAST_HEAP = 512 * 2**20


@contextlib.contextmanager
def session_for(resources: Resources) -> Iterator[tuple[SparkSession, DataOpsError | None]]:
    """Give a session of the job's own, with the settings under which Spark and DuckDB agree.

    It belongs to the Spark application that runs in this process, or to the one that ``spark-submit`` has prepared; without either,
    to one on this machine, which ends with it.

    Args:
        resources: Threads, memory and spill folder of Spark on this machine.

    Yields:
        The session, and why it cannot reach S3 with the settings that the environment gives; None where it can, or they are not known here.

    Raises:
        MissingDependency: PySpark is not installed.
    """
    try:
        from pyspark import SparkContext
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingDependency(
            "engine: spark needs PySpark",
            hint="pip install 'airflow-dataops[spark]', and Java 17",
            code="SPARK_MISSING",
        ) from error
    with contextlib.ExitStack() as stack:
        active: Any = SparkSession.getActiveSession()
        running = active is not None or getattr(SparkContext, "_active_spark_context", None) is not None
        if running or "PYSPARK_GATEWAY_PORT" in os.environ:
            parent, refused = active or SparkSession.builder.getOrCreate(), None
        else:
            parent, refused = stack.enter_context(_local(resources))
        session = parent.newSession()
        for name, value in PINNED.items():
            session.conf.set(name, value)
        yield session, refused


@contextlib.contextmanager
def _local(resources: Resources) -> Iterator[tuple[Any, DataOpsError | None]]:
    from pyspark import __version__
    from pyspark.sql import SparkSession

    given = limits(resources)
    os.makedirs(given.spill_dir, exist_ok=True)
    spill = tempfile.mkdtemp(prefix="dataops-spark-", dir=given.spill_dir)
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": spill,
        "spark.sql.shuffle.partitions": str(8 * given.threads),
        "spark.sql.warehouse.dir": f"file://{spill}/warehouse",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if resources.memory_bytes is not None:
        heap = max(int(resources.memory_bytes * _HEAP), _LEAST_HEAP)
        settings["spark.driver.memory"] = f"{heap // 2**20}m"
    conf, environ, refused = dict[str, str](), dict[str, str](), None
    try:
        conf, environ = _s3(__version__)
    except DataOpsError as error:
        refused = error  # a lake on disks needs none of it
    builder = SparkSession.builder.master(f"local[{given.threads}]").appName("airflow-dataops")
    for name, value in {**conf, **settings}.items():
        builder = builder.config(name, value)
    try:
        with _environment({"PYSPARK_PYTHON": os.environ.get("PYSPARK_PYTHON", sys.executable), **environ}):
            session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        try:
            yield session, refused
        finally:
            session.stop()
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _s3(version: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return S3A's settings, and the variables with the keys: as settings, everybody who sees Spark's would see them."""
    if not any(name.startswith(("S3_", "AWS_")) for name in os.environ):
        return {}, {}
    form = S3Settings.from_env(os.environ).for_s3a(version)
    found = {name: os.environ.get(parse(reference).name) for name, reference in form.env.items()}
    return form.conf, {name: value for name, value in found.items() if value}


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables while the JVM starts, which takes them along."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def hadoop_uri(path: str) -> str:
    """Return a path of ours as Hadoop names it."""
    if path.startswith("/"):
        return "file://" + path
    return "s3a://" + path.removeprefix("s3://") if path.startswith("s3://") else path


def readable(path: str) -> str:
    """Return a path of ours as Spark's reader wants it, which takes it for a glob."""
    return "".join("\\" + char if char in "*?[]{}\\" else char for char in hadoop_uri(path))
