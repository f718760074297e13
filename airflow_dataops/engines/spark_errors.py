# SPDX-License-Identifier: Apache-2.0
"""Turns what Spark raises into our errors: data that does not convert, files that are broken or gone, memory, disk, keys."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from urllib.parse import unquote

from airflow_dataops.clients.storage_error import error_number, spill_full, storage_error
from airflow_dataops.core.errors import DataOpsError, InputError, MissingDependency, TransientError
from airflow_dataops.engines.files import unreadable

_ODD_VALUE = "cast the column with on_error: quarantine or null, or put such rows aside with a rule of the gate"
_CLASS = re.compile(r"\[([A-Z][A-Z0-9_]+)(?:\.[A-Z0-9_]+)*\] ?([^\n]*)")
_CONVERSION = (
    *(
        "CAST_INVALID_INPUT",
        "CAST_OVERFLOW",
        "CAST_OVERFLOW_IN_TABLE_INSERT",
        "NUMERIC_VALUE_OUT_OF_RANGE",
        "DIVIDE_BY_ZERO",
    ),
    *("ARITHMETIC_OVERFLOW", "BINARY_ARITHMETIC_OVERFLOW", "DATETIME_OVERFLOW", "DATETIME_FIELD_OUT_OF_BOUNDS"),
    *("CANNOT_PARSE_TIMESTAMP", "INVALID_FRACTION_OF_SECOND", "INVALID_ARRAY_INDEX"),
)
_RAISED = re.compile(
    r"(?:\[USER_RAISED_EXCEPTION\] |java\.lang\.RuntimeException: )"
    r"((?:a value does not cast to|column '[^\n]*?' has an empty text)[^\n]*?)(?: SQLSTATE[^\n]*)?(?:\n|$)"
)
_FILE = re.compile(r"(?:file|File|path|while reading file)[: ]+((?:file|s3a?|gs):/+[^\s,;'\"]+)")
_LACKING = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_GONE = ("FileNotFoundException", "FAILED_READ_FILE.FILE_NOT_EXIST", "PATH_NOT_FOUND")
_BROKEN = (
    *(
        "is not a Parquet file",
        "CANNOT_READ_FILE_FOOTER",
        "FAILED_READ_FILE",
        "ParquetDecodingException",
        "Could not read footer",
    ),
    *("Corrupt", "EOFException", "Encountered error while reading file"),
)
_MEMORY = (*("OutOfMemoryError", "SparkOutOfMemoryError", "UNABLE_TO_ACQUIRE_MEMORY", "GC overhead limit exceeded"),)
_LOST = "ExecutorLostFailure"
# How Spark tells of an executor that was killed for its memory (137), or whose heap was full (52); all other losses may be the cluster's.
_FULL = re.compile(r"code:? ?(?:137|52)\b|OOM|exceeding (?:physical |virtual )?memory limits")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn Spark's errors into ours. A faulty query of ours stays what it is."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException) as error:
        found = translate(str(error))
        if found is None:
            raise
        raise found from error


def translate(said: str) -> DataOpsError | None:
    """Return our error for the text of one of Spark's; None where there is none.

    Args:
        said: Message, with the causes that Spark puts under it.
    """
    lacking = _LACKING.search(said)
    if lacking:
        return MissingDependency(
            f"the Python of Spark's executors has no module {lacking[1]!r}",
            hint="use an image with airflow-dataops in it, and name its Python in spark.pyspark.python or PYSPARK_PYTHON",
            code="SPARK_PYTHON",
        )
    if "S3AFileSystem not found" in said:
        return MissingDependency(
            "Spark has no S3A, by which it reads and writes s3://",
            hint="use the image of docker/spark.Dockerfile, or give spark-submit the jars of docker/spark-jars.lock by --jars",
            code="SPARK_JARS",
        )
    raised = _RAISED.search(said)
    if raised:
        return InputError(raised[1].strip(), hint=_ODD_VALUE, code="VALUE_REFUSED")
    for name, message in _CLASS.findall(said):
        if name in _CONVERSION:
            return InputError(
                f"a value does not convert: {message.strip()}", hint=_ODD_VALUE, code="VALUE_NOT_CONVERTIBLE"
            )
    if any(word in said for word in _MEMORY):
        return DataOpsError(
            f"the work does not fit into the memory that Spark was given: {_line(said, _MEMORY)}",
            hint="raise the memory of driver or executors (resources.memory_bytes on one machine), or make the run's slice smaller",
            code="OUT_OF_MEMORY",
        )
    if _LOST in said:
        return _of_executors(said)
    return _of_a_file(said)


def _of_executors(said: str) -> DataOpsError:
    if _FULL.search(said):
        return DataOpsError(
            f"executors were killed for their memory: {_line(said, (_LOST,))}",
            hint="raise executor.memory or executor.memory_overhead, or lower executor.cores",
            code="OUT_OF_MEMORY",
        )
    return TransientError(
        f"executors were lost while they worked, again and again: {_line(said, (_LOST,))}",
        hint="evicted, or their nodes gone? another try may have better luck; if it stays so, raise executor.memory_overhead",
        code="EXECUTORS_LOST",
    )


def _of_a_file(said: str) -> DataOpsError | None:
    number, found = error_number(said), _FILE.search(said)
    path = _path(found[1]) if found else None
    if number == errno.ENOSPC and "dataops-spark-" in said:
        return spill_full(_line(said, ("No space left",)))
    if path and (number == errno.ENOENT or any(word in said for word in _GONE)):
        return InputError(
            f"file {path} was there when the step began, and is gone",
            hint="run it again once the delivery is complete",
            code="SOURCE_CHANGED",
            details={"file": path},
        )
    if number is not None:
        return storage_error(f"reading or writing {path or 'a file'}", number, path=path)
    if path and any(word in said for word in _BROKEN):
        return unreadable(path, _line(said, _BROKEN))
    return None


def _path(uri: str) -> str:
    path = uri.rstrip(".)")
    return "/" + unquote(path.removeprefix("file:")).lstrip("/") if path.startswith("file:") else unquote(path)


def _line(said: str, words: tuple[str, ...]) -> str:
    """Return the line that says it, without the names of Java's classes before it."""
    line = next((one for one in said.splitlines() if any(word in one for word in words)), said.splitlines()[0])
    return re.sub(r"^(?:Caused by: )?(?:[\w$]+\.)+[\w$]+: ", "", line.strip())[:300]
