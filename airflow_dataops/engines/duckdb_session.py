# SPDX-License-Identifier: Apache-2.0
"""One DuckDB connection with its limits, and the few ways in which the engine talks to it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from airflow_dataops.clients.storage_error import error_number, spill_full, storage_error
from airflow_dataops.core.errors import DataOpsError, InputError, MissingDependency
from airflow_dataops.core.sql.types import from_engine
from airflow_dataops.engines.duckdb_rows import fetch
from airflow_dataops.engines.files import unreadable
from airflow_dataops.engines.limits import Limits

_SPILL = "dataops-duckdb-"
_ODD_VALUE = "cast the column with on_error: quarantine or null, or put such rows aside with a rule of the gate"
_PATH = re.compile(r'(?:file|directory|pattern) \\*"([^"\\]+)')
# A footer that speaks of more bytes than the file has.
_TOO_SHORT = "Could not read enough bytes"
_DAMAGED = re.compile(r"""file ["\']([^"\']+)["\']""", re.IGNORECASE)


class Session:
    """An in-memory DuckDB database that spills into a folder of its own.

    Args:
        limits: Memory, threads and spill folder.
    """

    def __init__(self, limits: Limits) -> None:
        import duckdb

        self.limits = limits
        os.makedirs(limits.spill_dir, exist_ok=True)
        self._spill = tempfile.mkdtemp(prefix=_SPILL, dir=limits.spill_dir)
        config: dict[str, Any] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "threads": limits.threads,
            "temp_directory": self._spill,
            # Order is no part of a table; keeping it costs memory with every large write.
            "preserve_insertion_order": False,
            # Rows that each thread gathers before they are cut into partitions: those of one row group do. The default of four holds
            # twice the memory of the whole job for the same files, and takes longer, since fresh memory costs time.
            "partitioned_write_flush_threshold": 122_880,
        }
        if limits.memory_bytes is not None:
            config["memory_limit"] = f"{limits.memory_bytes // 2**20}MiB"
        self.connection = duckdb.connect(config=config)
        self._remote: set[str] = set()
        self.run("SET TimeZone = 'UTC'")
        self.run("SET enable_progress_bar = false")

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement to its end and return its rows."""
        self.reach(sql)
        with translated():
            return self.connection.execute(sql).fetchall()

    def reach(self, sql: str) -> None:
        """Let the connection read objects, where a statement names some."""
        if "gs://" in sql:
            self._reach("gs", "Objects", "google-cloud-storage", code="GCS_MISSING")
        if "s3://" in sql or "s3a://" in sql:
            self._reach("s3", "S3Objects", "boto3", code="S3_MISSING")

    def _reach(self, scheme: str, name: str, package: str, *, code: str) -> None:
        if scheme in self._remote:
            return
        try:
            system = getattr(import_module("airflow_dataops.clients.objects_fs"), name)
            import_module(package.replace("google-cloud-", "google.cloud."))
        except ImportError as error:
            raise MissingDependency(
                f"a lake in a bucket needs fsspec and {package}", hint=f"pip install fsspec {package}", code=code
            ) from error
        self.connection.register_filesystem(system())
        self._remote.add(scheme)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return a small result; moments with a zone come as aware datetimes."""
        self.reach(sql)
        with translated():
            return fetch(self.connection, sql)

    def types(self, sql: str) -> dict[str, str]:
        """Return column -> DuckDB's own type of a query; it is not run."""
        return {str(row[0]): str(row[1]) for row in self.run(f"DESCRIBE {sql}")}

    def canonical(self, sql: str) -> dict[str, str]:
        """Return column -> canonical type of a query; it is not run."""
        return {name: from_engine(kind, "duckdb") for name, kind in self.types(sql).items()}

    def value(self, sql: str) -> Any:
        """Return the first column of the first row."""
        return self.run(sql)[0][0]

    def close(self) -> None:
        """Close the connection and delete what was spilled."""
        self.connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn DuckDB's errors into ours: memory, disk, data that does not convert. A faulty query of ours stays what it is."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        if "max_temp_directory_size" in str(error):
            raise spill_full(_first_line(error)) from error
        raise DataOpsError(
            f"the work does not fit into the memory and spill space it was given: {_first_line(error)}",
            hint="raise resources.memory_bytes, point resources.spill_dir to a larger disk, or make the run's slice smaller",
            code="OUT_OF_MEMORY",
        ) from error
    except duckdb.IOException as error:
        raise _io_error(str(error)) from error
    except duckdb.InvalidInputException as error:
        damaged = _DAMAGED.search(str(error))
        if damaged:
            raise unreadable(damaged[1], _first_line(error)) from error
        # What a strict cast raises in its query; everything else that DuckDB calls so is about the data too.
        raise InputError(_first_line(error), hint=_ODD_VALUE, code="VALUE_REFUSED") from error
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise InputError(
            f"a value does not convert: {_first_line(error)}",
            hint=_ODD_VALUE,
            code="VALUE_NOT_CONVERTIBLE",
        ) from error


def ident(name: str) -> str:
    """Return a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a quoted text."""
    return "'" + value.replace("'", "''") + "'"


def texts(values: Sequence[str]) -> str:
    """Return a list of texts."""
    return "[" + ", ".join(map(text, values)) + "]"


def pairs(values: Mapping[str, str]) -> str:
    """Return a struct of texts, as ``hive_types`` wants it."""
    return "{" + ", ".join(f"{text(key)}: {text(value)}" for key, value in values.items()) + "}"


def sql_type(canonical: str) -> str:
    """Return DuckDB's name of a canonical type."""
    from airflow_dataops.core.sql.types import parse_type

    return parse_type(canonical).sql(dialect="duckdb")


def cast_sql(column: str, source: str, target: str) -> str:
    """Return the expression that reads ``column`` (canonical type ``source``) as ``target``; null where it does not cast."""
    from sqlglot import exp

    from airflow_dataops.core.sql.casts import try_cast
    from airflow_dataops.core.sql.dialects import render

    return render(try_cast(exp.column(column, quoted=True), source, target), "duckdb")


def _io_error(said: str) -> DataOpsError:
    """DuckDB gives the system's error as text, sometimes inside of JSON, and the path in quotes."""
    number, named = error_number(said), _PATH.search(said)
    path = named[1] if named else None
    if number == errno.ENOSPC and path and _SPILL in path:
        return spill_full(f"no space left on device for {path}")
    if path and (number == errno.ENOENT or "No files found" in said):
        return InputError(
            f"file {path} was there when the step began, and is gone",
            hint="run it again once the delivery is complete",
            code="SOURCE_CHANGED",
            details={"file": path},
        )
    first = said.splitlines()[0]
    if path and _TOO_SHORT in said:
        return unreadable(path, first)
    what = f"reading or writing {path}" if path else "reading or writing a file"
    return storage_error(what, number, path=path, said=None if number else first)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
