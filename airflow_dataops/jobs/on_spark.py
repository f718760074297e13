# SPDX-License-Identifier: Apache-2.0
"""The driver's program: ``python -m airflow_dataops.jobs.on_spark STEP`` does one step of a pipeline in a pod, or under spark-submit.

STEP is what :func:`airflow_dataops.core.spark_k8s.step.encode` packs. Secrets come from the environment, S3's settings, too. The short
result, or the error, goes into the file that ``DATAOPS_RESULT`` names (the pod's termination message), else to stdout; the records
lie in the lake. Exit codes: 0, 1 (failed for good), 75 (may pass on its own).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import NoReturn

from airflow_dataops.core import secrets as names
from airflow_dataops.core.errors import DataOpsError, SpecError, from_dict
from airflow_dataops.core.spark_k8s import step
from airflow_dataops.jobs import process, secrets, steps, streams

log = logging.getLogger("airflow_dataops.jobs")


def main(argv: list[str] | None = None) -> int:
    """Do the step and return the exit code.

    Args:
        argv: The one argument; the process's own when omitted.
    """
    signal.signal(signal.SIGTERM, _terminated)
    known: dict[str, str] = {}
    with streams.log_to_stderr(known):
        try:
            [packed] = sys.argv[1:] if argv is None else argv
        except ValueError:
            return _failed(SpecError("one argument is wanted: the packed step", code="JOB_SPEC_INVALID"))
        try:
            spec = steps.spec_of(step.decode(packed), engine="duckdb")
            known.update(secrets.from_environment(spec))
            log.info("step %s of %s, run %s, on %s", spec.task, spec.run.pipeline, spec.run.key, spec.engine)
            _leave(step.message_of(steps.perform(spec, known)))
        except Exception as raised:  # noqa: BLE001 - whatever it is, the task is told
            return _failed(from_dict(names.hide_in(process.as_error(raised).to_dict(), known.values())))
    return process.EXIT_OK


def _failed(error: DataOpsError) -> int:
    log.error("%s", error)
    _leave(step.failure_message_of(error))
    return process.EXIT_TRANSIENT if error.retryable else process.EXIT_FAILED


def _leave(message: str) -> None:
    place = os.environ.get("DATAOPS_RESULT")
    if not place:
        sys.stdout.write(message + "\n")
        return
    with open(place, "w", encoding="utf-8") as file:
        file.write(message)


def _terminated(signum: int, _frame: object) -> NoReturn:
    """Turn SIGTERM into an exception, so that leases and spilled files are let go of."""
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
