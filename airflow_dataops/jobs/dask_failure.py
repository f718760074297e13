# SPDX-License-Identifier: Apache-2.0
"""What an exception of the user's function means: its own fault, or Dask's way to say that scheduler or workers are gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import TracebackType

from airflow_dataops.core.dataproc_dask.result import Code
from airflow_dataops.core.errors import DataOpsError, TransientError
from airflow_dataops.jobs.dask_runtime.base import when_deserted

log = logging.getLogger("airflow_dataops.jobs.dask")

# By name: the classes have moved between versions of distributed.
_NO_WORKERS = frozenset({"NoWorkerError", "NoValidWorkerError"})
_KILLED = "KilledWorker"


def as_failure(
    error: BaseException, lost: Callable[[], DataOpsError | None] | None = None, *, runtime: str
) -> DataOpsError:
    """Return why the work failed; the traceback of what a user's function raised goes into the log.

    Args:
        error: What was raised.
        lost: Tells whether the scheduler is gone, which is the better reason for whatever was raised then.
        runtime: Where the workers were.
    """
    if isinstance(error, DataOpsError):
        if error.__cause__ is not None:
            log.error("%s", error.code, exc_info=error.__cause__)
        return error
    log.error("the function raised", exc_info=(type(error), error, _of_the_user(error.__traceback__)))
    kinds = {type(one).__name__ for one in _chain(error)}
    if kinds & _NO_WORKERS:
        return TransientError(
            f"work waited too long without a Dask worker: {_said(error)}",
            hint=when_deserted(runtime),
            code=Code.NO_WORKERS,
        )
    gone = lost() if lost is not None else None
    if gone is not None:
        return gone
    if _KILLED in kinds:
        hint = "a task killed several workers in turn, most often by memory: smaller partitions, or machines with more memory"
        return DataOpsError(_said(error), hint=hint, code=Code.FUNCTION_RAISED)
    if isinstance(error, SystemExit):
        hint = "return from the function instead, or raise an error that says what is wrong"
        return DataOpsError(f"the function called sys.exit({error.code!r})", hint=hint, code=Code.FUNCTION_RAISED)
    return DataOpsError(_said(error), hint="the traceback is in the log", code=Code.FUNCTION_RAISED)


def _of_the_user(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the frames of the driver, which say nothing to the author of the function."""
    while trace is not None and trace.tb_next is not None and "airflow_dataops" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    return trace


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


__all__ = ["as_failure"]
