# SPDX-License-Identifier: Apache-2.0
"""How a job's process ended, read into a result or an error."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from typing import Any

from airflow_dataops.core.errors import DataOpsError, TransientError, from_dict
from airflow_dataops.core.fit import size

_WAY_OUT = (
    "raise the worker's memory, lower resources.memory_bytes so that the engine spills earlier, lower resources.threads, "
    "or make the run's slice smaller"
)


@dataclass(frozen=True)
class Ended:
    """What is known of a process that has ended.

    Attributes:
        code: Exit code; negative is the signal that killed it.
        stdout: What it printed.
        last_lines: The end of its log.
        out_of_memory: True where the kernel counted a kill for memory meanwhile, False where it did not, None where it does not count.
        memory_limit: Bytes that the container or machine has; None where unknown.
        memory_asked: Bytes that the job was given; None where it took its share.
    """

    code: int
    stdout: bytes
    last_lines: list[str] = field(default_factory=list)
    out_of_memory: bool | None = None
    memory_limit: int | None = None
    memory_asked: int | None = None


def read_outcome(ended: Ended) -> dict[str, Any]:
    """Return the result document.

    Raises:
        DataOpsError: The error that the job reported, ``OUT_OF_MEMORY``, ``JOB_CRASHED``, or ``JOB_GARBAGE`` where stdout holds no
            document.
        TransientError: Somebody killed it (``JOB_KILLED``).
    """
    if ended.code < 0:
        raise _killed(ended)
    try:
        document = json.loads(ended.stdout)
    except (ValueError, UnicodeDecodeError):
        raise _without_document(ended) from None
    if isinstance(document, dict) and "job" in document:
        return document
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        raise from_dict(document["error"])
    raise _without_document(ended)


def _killed(ended: Ended) -> DataOpsError:
    name = _signal_name(-ended.code)
    given = "its share of it" if ended.memory_asked is None else size(ended.memory_asked)
    limit = "unknown" if ended.memory_limit is None else size(ended.memory_limit)
    memory = f"memory limit {limit}, the engine was given {given}"
    if ended.code != -signal.SIGKILL:
        crash = -ended.code in {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}
        if crash:
            return DataOpsError(
                f"the job crashed ({name}){_log(ended)}", code="JOB_CRASHED", hint=f"report it; {memory}"
            )
        return TransientError(f"the job was killed from outside ({name})", code="JOB_KILLED")
    if ended.out_of_memory:
        return DataOpsError(
            f"the kernel killed the job for using too much memory ({memory})", code="OUT_OF_MEMORY", hint=_WAY_OUT
        )
    if ended.out_of_memory is None:
        return TransientError(
            f"the job was killed ({name}); if nobody did it by hand, it used too much memory ({memory})",
            code="JOB_KILLED",
            hint=_WAY_OUT,
        )
    return TransientError(f"the job was killed from outside ({name}); not for memory ({memory})", code="JOB_KILLED")


def _without_document(ended: Ended) -> DataOpsError:
    if ended.stdout.strip() and ended.code == 0:
        shown = ended.stdout[:200].decode(errors="replace")
        return DataOpsError(
            f"the job printed something else than its one result document: {shown!r}",
            code="JOB_GARBAGE",
            hint="nothing but the job's entry may write to stdout; do the versions of the package differ?",
        )
    return DataOpsError(
        f"the job ended with exit code {ended.code} and no result{_log(ended)}",
        code="JOB_CRASHED",
        hint="see the log above",
    )


def _log(ended: Ended) -> str:
    return "; its last lines: " + " | ".join(ended.last_lines[-5:]) if ended.last_lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


__all__ = ["Ended", "read_outcome"]
