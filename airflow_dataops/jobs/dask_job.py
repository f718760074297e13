# SPDX-License-Identifier: Apache-2.0
"""Run a function of the user's on a Dask of this machine, as the driver on a cluster does: same function, arguments and errors."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_dataops.clients.job_files import JobFiles
from airflow_dataops.core.dask_job import DaskJobResult, DaskJobSpec
from airflow_dataops.core.dataproc_dask.document import JobDocument, local_document, parse_document
from airflow_dataops.core.dataproc_dask.result import success
from airflow_dataops.core.dataproc_dask.spec import DaskJob
from airflow_dataops.core.errors import MissingDependency
from airflow_dataops.engines.limits import cores
from airflow_dataops.jobs import dask_function
from airflow_dataops.jobs.dask_failure import as_failure
from airflow_dataops.jobs.dask_runtime.base import start
from airflow_dataops.jobs.process import Progress, main

OWN_PROCESS = True
"""What the user's module does to its process, nobody else should have to live with."""

_SHARE = 0.8  # of the memory; the function and the scheduler need some of it, too


def run(
    spec: DaskJobSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> DaskJobResult:
    """Start a scheduler and workers, call the function with a client and its arguments, and let go of everything.

    Args:
        spec: What to run.
        secrets: Not needed here; all jobs are called alike.
        progress: Told what is being done, one line at a time.

    Returns:
        What the function returned.

    Raises:
        DataOpsError: There is no such function, it raised, or what it returned is no JSON or too much of it.
        MissingDependency: Dask is not installed.
    """
    del secrets
    tell = progress or (lambda _line: None)
    # Read when distributed is first imported; by itself it tells of every worker that comes and goes.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")
    _require_dask()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what the function prints is its progress
    with tempfile.TemporaryDirectory(prefix="dataops-dask-", dir=spec.resources.spill_dir) as scratch:
        try:
            return _run(spec, Path(scratch), tell)
        except Exception as error:
            raise as_failure(error, runtime="local") from error


def _run(spec: DaskJobSpec, scratch: Path, tell: Progress) -> DaskJobResult:
    document = _document(spec)
    code = dask_function.fetch_code(document.code, JobFiles(), scratch / "code")
    looked = ", ".join(spec.code) or "what is installed here"
    function = dask_function.find_function(
        document.function,
        document.args,
        missing=f"it is looked for in {looked}; put it there, or add its folder to code",
    )
    session = start(document, scratch)
    try:
        dask_function.send_code(session.client, [path for path in code if path.is_file()])
        session.wait_for_workers(document.at_least, document.wait_for_workers)
        there = session.look(10).workers
        tell(f"dask: {there} worker{'' if there == 1 else 's'}, dashboard {session.client.dashboard_link}")
        value: Any = function(session.client, **document.args)
    finally:
        session.close()
    return DaskJobResult(task=spec.task, run=spec.run, value=success(value).result, workers=there)


def _document(spec: DaskJobSpec) -> JobDocument:
    job = DaskJob(function=spec.function, args=spec.args, workers=spec.workers, python_file_uris=spec.code)
    room = spec.resources.threads or cores()
    document = parse_document(local_document(job, at_most=room))
    memory = spec.resources.memory_bytes
    return document.model_copy(
        update={
            "name": spec.task,
            "worker_threads": max(1, room // document.at_least),
            "worker_memory": None if memory is None else int(memory * _SHARE / document.at_least),
        }
    )


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401  # whether it is there
    except ImportError as error:
        raise MissingDependency(
            f"functions run on Dask, which is not installed: {error}", hint='pip install "airflow-dataops[dask]"'
        ) from error


if __name__ == "__main__":
    raise SystemExit(main(DaskJobSpec, run))
