# SPDX-License-Identifier: Apache-2.0
"""The common entry of all jobs: ``python -m airflow_dataops.jobs.<stem> --spec - | FILE``.

``-`` reads an envelope ``{"spec": {…}, "secrets": {"env:NAME": "value"}, "environment": {"NAME": "value"}, "hold": true}`` from the first
line of stdin. With ``hold`` the writer keeps stdin open, and its end kills the job. A FILE holds a plain spec; its secrets come from the
environment.

stderr carries lines ``LEVEL text``; stdout exactly one JSON document: the result, or ``{"error": {…}}``. Exit codes: 0, 1 (failed for
good), 75 (may pass on its own), 2 (wrong arguments).
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from airflow_dataops.clients import lifeline, limits
from airflow_dataops.clients.spill import private_folder
from airflow_dataops.clients.storage_error import error_number, storage_error
from airflow_dataops.core import fit
from airflow_dataops.core import secrets as names
from airflow_dataops.core.errors import DataOpsError, SpecError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.tables import JobResult, JobSpec
from airflow_dataops.jobs import secrets as secret_sources
from airflow_dataops.jobs import streams

log = logging.getLogger("airflow_dataops.jobs")

EXIT_OK, EXIT_FAILED, EXIT_TRANSIENT = 0, 1, 75
# What says that a path is not what the code takes it for: a fault of ours.
_OUR_FAULTS = {errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG}

S = TypeVar("S", bound=JobSpec)
S_contra = TypeVar("S_contra", bound=JobSpec, contravariant=True)
Progress = Callable[[str], None]


class Run(Protocol[S_contra]):
    """The function that does a job's work."""

    def __call__(
        self, spec: S_contra, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
    ) -> JobResult: ...


def execute(
    spec: S, run: Run[S], secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> JobResult:
    """Run a job in this process and leave its two records, whatever happens.

    Args:
        spec: What to do.
        run: The job's function.
        secrets: Reference -> value.
        progress: Told one line at a time what is being done; the log when omitted.

    Returns:
        The job's result; where it raised, a plain :class:`JobResult` with status ``failed`` and the error's document. Both are on record.

    Raises:
        DataOpsError: The records could not be written.
    """
    from airflow_dataops.jobs import records

    started, clock = datetime.now(UTC), time.monotonic()
    known = dict(secrets or {})
    records.write_step_spec(spec)
    reached(FaultPoint.JOB_STARTED)
    try:
        _refuse_what_cannot_fit(spec)
        with private_folder(_spill_parent(spec)) as spill:
            limited = spec.resources.model_copy(update={"spill_dir": spill})
            result = run(spec.model_copy(update={"resources": limited}), secrets=known, progress=progress or log.info)
    except Exception as raised:  # noqa: BLE001 - whatever it is, it goes on record
        error = names.hide_in(as_error(raised).to_dict(), known.values())
        result = JobResult(job=spec.job, task=spec.task, run=spec.run, status="failed", error=error)
    result = _complete(result, started, time.monotonic() - clock)
    reached(FaultPoint.JOB_WORKED)
    records.write_step_result(spec, result)
    reached(FaultPoint.JOB_RECORDED)
    return result


def _refuse_what_cannot_fit(spec: JobSpec) -> None:
    limit = limits.memory_limit()
    fit.check_memory(spec, limit)
    source = getattr(spec, "source", None)
    if source is None or not fit.holds_rows(spec):
        return
    fit.check_source(
        spec,
        source_bytes=limits.local_size(source.path),
        memory=spec.resources.memory_bytes or limit,
        spill_free=limits.free_bytes(_spill_parent(spec)),
    )


def _spill_parent(spec: JobSpec) -> str:
    return spec.resources.spill_dir or tempfile.gettempdir()


def as_error(raised: Exception) -> DataOpsError:
    """Return what was raised as an error of ours; the traceback of anything unforeseen goes into the log."""
    if isinstance(raised, DataOpsError):
        log.debug("failed", exc_info=raised)
        return raised
    log.error("unexpected %s", type(raised).__name__, exc_info=raised)
    if isinstance(raised, MemoryError):
        return out_of_memory(str(raised))
    if isinstance(raised, OSError) and raised.errno not in _OUR_FAULTS:
        return storage_error(
            str(raised.filename or "an operation on a file"),
            raised.errno or error_number(str(raised)),
            said=str(raised),
        )
    return DataOpsError(
        f"{type(raised).__name__}: {raised}",
        code="UNEXPECTED",
        hint="the traceback is in the log above; please report it as a bug",
    )


def out_of_memory(detail: str) -> DataOpsError:
    """Return the error for work that did not fit into its memory."""
    return DataOpsError(
        f"the work does not fit into the memory it was given. {detail}".strip(),
        code="OUT_OF_MEMORY",
        hint="raise resources.memory_bytes or the worker's memory limit, lower resources.threads, or make the run's slice smaller",
    )


def main(spec_type: type[S], run: Run[S], argv: list[str] | None = None) -> int:
    """Run a job as its own process and return the exit code; see the module's text for the protocol.

    Args:
        spec_type: The model of the job's spec.
        run: The job's function.
        argv: Arguments; the process's own when omitted.
    """
    parser = argparse.ArgumentParser(description=f"Run one {spec_type.model_fields['job'].default or ''} job.")
    parser.add_argument("--spec", required=True, metavar="- | FILE", help="an envelope on stdin, or a file with a spec")
    source = parser.parse_args(argv).spec
    signal.signal(signal.SIGTERM, _terminated)
    known: dict[str, str] = {}
    with streams.stdout_for_the_document() as out, streams.log_to_stderr(known):
        try:
            document, given = _read(source)
            known.update(given or {})
            spec = parse_spec(spec_type, document)
            known.update(given if given is not None else secret_sources.from_environment(spec))
            result = execute(spec, run, known)
        except Exception as raised:  # noqa: BLE001 - what could not even start has no record, only a document
            error = names.hide_in(as_error(raised).to_dict(), known.values())
            out.write(json.dumps({"error": error}) + "\n")
            return EXIT_TRANSIENT if error["retryable"] else EXIT_FAILED
        out.write(_document(result) + "\n")
        return _exit_code(result)


def parse_spec(spec_type: type[S], document: Any) -> S:
    """Return the typed spec.

    Raises:
        SpecError: It is not valid (``JOB_SPEC_INVALID``); all faults at once, each with its place.
    """
    try:
        return spec_type.model_validate(document)
    except ValidationError as bad:
        # Values are left out: a wrong one may be a secret that was put in the place of its name.
        faults = [
            f"{'.'.join(map(str, e['loc'])) or 'spec'}: {e['msg']}"
            for e in bad.errors(include_input=False, include_url=False)
        ]
        raise SpecError(
            f"the job's spec is not valid: {'; '.join(faults)}", code="JOB_SPEC_INVALID", details={"faults": faults}
        ) from None


def _complete(result: JobResult, started: datetime, seconds: float) -> JobResult:
    update: dict[str, Any] = {"seconds": {**result.seconds, "total": result.seconds.get("total", round(seconds, 3))}}
    if result.started_at is None:
        update["started_at"] = started
    if result.peak_memory_bytes is None:
        unit = 1 if sys.platform == "darwin" else 1024
        update["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return result.model_copy(update=update)


def _document(result: JobResult) -> str:
    """A job that raised left only its error; everything else is a result, also one that says ``failed``."""
    if type(result) is JobResult and result.error is not None:
        return json.dumps({"error": result.error})
    return result.model_dump_json()


def _exit_code(result: JobResult) -> int:
    if result.status == "ok" and getattr(result, "verdict", None) != "failed":
        return EXIT_OK
    return EXIT_TRANSIENT if result.error and result.error.get("retryable") else EXIT_FAILED


def _read(source: str) -> tuple[Any, dict[str, str] | None]:
    """Return the raw spec and, where it came with them, its secrets."""
    if source != "-":
        with open(source, encoding="utf-8") as file:
            return _json(file.read(), source), None
    envelope = _json(lifeline.first_line(0).decode(), "stdin")
    if not isinstance(envelope, dict) or "spec" not in envelope:
        return envelope, None
    if envelope.get("hold"):
        lifeline.hold(0)
    os.environ.update({str(name): str(value) for name, value in (envelope.get("environment") or {}).items()})
    return envelope["spec"], {str(k): str(v) for k, v in (envelope.get("secrets") or {}).items()}


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as bad:
        raise SpecError(
            f"{where} holds no JSON spec: {bad}",
            hint='{"spec": {…}, "secrets": {…}} on one line',
            code="JOB_SPEC_INVALID",
        ) from None


def _terminated(signum: int, _frame: object) -> None:
    """Turn SIGTERM into an exception, so that leases and spilled files are let go of."""
    raise SystemExit(128 + signum)


__all__ = [
    "EXIT_FAILED",
    "EXIT_OK",
    "EXIT_TRANSIENT",
    "Progress",
    "Run",
    "as_error",
    "execute",
    "main",
    "out_of_memory",
    "parse_spec",
]
