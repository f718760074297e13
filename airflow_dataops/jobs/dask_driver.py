# SPDX-License-Identifier: Apache-2.0
"""The driver of a Dask job: reads the job's document, calls its function with a client, and says once how it ended.

``--spec URI --sha256 HEX --job-id ID``: the document, and the execution's name. Its files lie in the folder of that name beside the
document: ``heartbeat.json``, ``result.json`` (written once), ``report.html``. Exit codes: 0, 1 (failed), 143 (told to stop).
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_dataops.clients import lifeline
from airflow_dataops.clients.job_files import JobFiles
from airflow_dataops.core.dataproc_dask import names, result
from airflow_dataops.core.dataproc_dask.document import JobDocument, parse_document
from airflow_dataops.core.dataproc_dask.result import Code, DriverResult
from airflow_dataops.core.dataproc_dask.spec import Adapt
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.jobs import dask_function, streams
from airflow_dataops.jobs.dask_failure import as_failure
from airflow_dataops.jobs.dask_interrupt import Interrupted, Interrupter
from airflow_dataops.jobs.dask_pulse import Pulse
from airflow_dataops.jobs.dask_report import Report
from airflow_dataops.jobs.dask_runtime.base import Session, start

log = logging.getLogger("airflow_dataops.jobs.dask")

EXIT_OK, EXIT_FAILED, EXIT_CANCELLED = 0, 1, 143
_CLOSE = 30.0


@dataclass
class _Execution:
    """What of an execution is there so far: whoever ends it, the main thread or the guard, lets go of this."""

    files: JobFiles
    folder: str
    pulse: Pulse | None = None
    session: Session | None = None
    report: Report | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    close: float = _CLOSE
    scratch: Path | None = None

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = round(time.monotonic() - began, 3)


def main(argv: list[str] | None = None) -> int:
    """Run one execution of a job to its end, and return the exit code; see the module's text for the arguments.

    Must be called from the main thread, since it takes SIGTERM and SIGINT.
    """
    options = _options(argv)
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")  # read when distributed is first imported
    if options.hold:
        lifeline.hold(0)
    execution = _Execution(JobFiles(), names.job_folder(options.spec, options.job_id))

    def last_words(error: DataOpsError) -> None:
        log.error("the function does not end by itself; the process is ended")
        _within(execution.close, lambda: _write_result(execution, _complete(execution, result.failure(error))))
        _end(EXIT_CANCELLED if error.code == Code.CANCELLED else EXIT_FAILED)

    with streams.log_to_stderr({}), Interrupter(last_words, _CLOSE) as interrupter:
        outcome = _run(options, execution, interrupter)
    return EXIT_OK if outcome.ok else EXIT_CANCELLED if outcome.code == Code.CANCELLED else EXIT_FAILED


def run_as_process() -> None:
    """Run :func:`main` as the whole of this process: what a library leaves running does not keep it alive."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    _end(main())


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run one Dask job.", allow_abbrev=False)
    parser.add_argument("--spec", required=True, metavar="URI", help="the job's document: gs://…, file://… or a path")
    parser.add_argument("--sha256", required=True, metavar="HEX", help="the hash that the document must have")
    parser.add_argument("--job-id", required=True, metavar="ID", help="name of this execution and of its folder")
    parser.add_argument("--hold", action="store_true", help="end when standard input ends")
    return parser.parse_args(argv)


def _run(options: argparse.Namespace, execution: _Execution, interrupter: Interrupter) -> DriverResult:
    """Do the work and write its result; whatever is raised, there is one."""
    try:
        try:
            with execution.timed("total"):
                outcome = result.success(_work(options, execution, interrupter))
        finally:
            interrupter.shield()
    except Interrupted as stopped:
        outcome = result.failure(stopped.error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the result
        pulse, session = execution.pulse, execution.session
        lost, runtime = pulse.lost if pulse else None, session.name if session else ""
        outcome = result.failure(interrupter.reason or as_failure(error, lost, runtime=runtime))
    outcome = _complete(execution, outcome)
    _log_end(outcome)
    written = _write_result(execution, outcome)
    _let_go(execution)
    return outcome if written else outcome.model_copy(update={"ok": False})


def _work(options: argparse.Namespace, execution: _Execution, interrupter: Interrupter) -> Any:
    document = _document(options, execution.files)
    execution.close = interrupter.grace = document.close
    scratch = execution.scratch = Path(tempfile.mkdtemp(prefix="dataops-dask-"))
    pulse = execution.pulse = Pulse(
        execution.files, f"{execution.folder}/heartbeat.json", document.heartbeat, interrupter.end
    )
    pulse.start()
    log.info("job %s: %s on %s", document.name, document.function, document.runtime)
    code = dask_function.fetch_code(document.code, execution.files, scratch / "code")
    function = dask_function.find_function(document.function, document.args)
    with execution.timed("runtime"):
        session = execution.session = start(document, scratch)
        pulse.watch(session)
        dask_function.send_code(session.client, [path for path in code if path.is_file()])
    with execution.timed("wait"):
        session.wait_for_workers(document.at_least, document.wait_for_workers)
    execution.workers = {"at_least": document.at_least, "start": session.look(10).workers}
    log.info("%d Dask workers are there", execution.workers["start"])
    _bound(document, pulse)
    report = execution.report = Report(session.client, scratch / "report.html")
    report.begin()
    with execution.timed("function"):
        return function(session.client, **document.args)


def _bound(document: JobDocument, pulse: Pulse) -> None:
    """Dask itself ends work that waits without a worker; a function that waits in another way is ended a little later."""
    may_be_none = isinstance(document.workers, Adapt) and document.workers.minimum == 0
    if not may_be_none:
        pulse.expect_workers(1.25 * document.no_workers_timeout)


def _document(options: argparse.Namespace, files: JobFiles) -> JobDocument:
    try:
        data = files.read(options.spec)
    except DataOpsError as error:
        raise DataOpsError(f"the job's document: {error.message}", hint=error.hint, code=Code.UNREADABLE) from error
    return parse_document(data, options.sha256)


def _complete(execution: _Execution, outcome: DriverResult) -> DriverResult:
    workers = dict(execution.workers)
    if execution.pulse is not None and workers:
        workers |= {"most": max(execution.pulse.most, workers["start"]), "end": execution.pulse.latest}
    return outcome.model_copy(update={"seconds": execution.seconds, "workers": workers, "versions": _versions()})


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("airflow-dataops", "dask", "distributed"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _log_end(outcome: DriverResult) -> None:
    if outcome.ok:
        log.info("the function returned after %s s", outcome.seconds.get("function"))
    else:
        log.error("%s: %s", outcome.code, outcome.message)
        if outcome.hint:
            log.error("  -> %s", outcome.hint)


def _write_result(execution: _Execution, outcome: DriverResult) -> bool:
    uri = f"{execution.folder}/result.json"
    try:
        if not execution.files.write_once(uri, result.encode(outcome)):
            log.warning("%s is there already and is left as it is", uri)
    except DataOpsError as error:
        log.error("the result could not be written: %s", error)  # noqa: TRY400 - its own text says it all
        return False
    return True


def _let_go(execution: _Execution) -> None:
    """Keep the report and close what is open, for no longer than there is time."""
    if execution.pulse is not None:
        execution.pulse.stop()
    deadline = time.monotonic() + execution.close
    report, session = execution.report, execution.session
    if report is not None:
        _within(execution.close / 2, lambda: report.keep(execution.files, f"{execution.folder}/report.html"))
    if session is not None:
        _within(max(1.0, deadline - time.monotonic()), session.close)
    scratch = execution.scratch
    if scratch is not None:
        _within(max(1.0, deadline - time.monotonic()), lambda: shutil.rmtree(scratch, ignore_errors=True))


def _within(seconds: float, call: Callable[[], object]) -> None:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        log.warning("letting go took more than %.0f s and is not waited for", seconds)


def _end(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run_as_process()
