# SPDX-License-Identifier: Apache-2.0
"""What it means how a probe's process ended."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_dataops.core.kafka_health.codes import Code
from airflow_dataops.core.kafka_health.snapshot import ReadError

_LONGEST = 300


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Exit code, negative for a signal; None where it was not started.
        timed_out: It was killed since its time was over.
        overflowed: It was killed since it wrote more than it may.
        last_words: The end of what it wrote to standard error, without secrets.
    """

    code: int | None = None
    timed_out: bool = False
    overflowed: bool = False
    last_words: str = ""


def why_unread(ended: Ended, timeout: float, garbage: str = "") -> ReadError:
    """Return why a group has no answer.

    Args:
        ended: How the process ended.
        timeout: Seconds that it had.
        garbage: What was wrong with the answer that it gave, if any.
    """
    if ended.timed_out:
        return _error(Code.PROBE_TIMEOUT, f"no answer within {timeout:g} s", ended)
    if ended.overflowed:
        return _error(Code.PROBE_GARBAGE, "the answer is longer than any can be", ended)
    if ended.code is None:
        return _error(Code.PROBE_CRASHED, "the process was not started", ended)
    if ended.code < 0:
        return _error(Code.PROBE_CRASHED, f"the process was ended by {_signal(-ended.code)}", ended)
    if ended.code > 0:
        return _error(Code.PROBE_CRASHED, f"the process ended with exit code {ended.code}", ended)
    return _error(Code.PROBE_GARBAGE, garbage or "the process ended without an answer for this group", ended)


def to_ask_again(answered: Mapping[int, object], asked: int) -> list[int]:
    """Return which of so many groups, asked in one process, are asked again, each alone: those without an answer.

    One that was alone already is not: what ended its process, or kept it, was about that group.
    """
    return [number for number in range(asked) if number not in answered] if asked > 1 else []


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _error(code: Code, message: str, ended: Ended) -> ReadError:
    words = " ".join(ended.last_words.split())[-_LONGEST:]
    return ReadError(code=code.value, message=f"{message}; it said: {words}" if words else message)
