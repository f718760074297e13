# SPDX-License-Identifier: Apache-2.0
"""Whether the libraries that pipelines use get on with the endpoint, each with its form of the same settings."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from airflow_dataops.clients.check_s3.scratch import Scratch, Seen


def installed(name: str) -> bool:
    """Return whether a library is here."""
    return importlib.util.find_spec(name) is not None


def pyarrow(place: Scratch) -> Seen:
    """Write and read Parquet by pyarrow."""
    return _parquet(place, "arrow", place.client.arrow)


def s3fs(place: Scratch) -> Seen:
    """Write and read Parquet by s3fs."""
    fs = import_module("pyarrow.fs")
    return _parquet(place, "s3fs", lambda: fs.PyFileSystem(fs.FSSpecHandler(place.client.fsspec())))


def delta(place: Scratch) -> Seen:
    """Make a table by delta-rs, add a version, and read it."""
    deltalake = import_module("deltalake")
    uri = f"s3://{place.bucket}/{place.prefix}delta"
    options = place.settings.for_delta(place.keys, bucket=place.bucket)
    with _environment(place.settings.process_environment()):
        for mode in ("error", "append"):
            deltalake.write_deltalake(uri, _rows(), mode=mode, storage_options=options)
        found = deltalake.DeltaTable(uri, storage_options=options)
        rows = found.to_pyarrow_table().num_rows
    return (found.version(), rows) == (1, 20), f"version {found.version()}, {rows} rows"


@contextlib.contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _parquet(place: Scratch, name: str, make: Callable[[], Any]) -> Seen:
    parquet = import_module("pyarrow.parquet")
    system, path = make(), f"{place.bucket}/{place.key(f'{name}.parquet')}"
    with system.open_output_stream(path) as file:
        parquet.write_table(_rows(), file)
    with system.open_input_file(path) as file:
        found = parquet.read_table(file)
    return found.equals(_rows()), f"{found.num_rows} rows written and read"


def _rows() -> Any:
    return import_module("pyarrow").table({"n": list(range(10))})
