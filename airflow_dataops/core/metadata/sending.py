# SPDX-License-Identifier: Apache-2.0
"""What a producer does with what the API answers: which events are done, refused, or to be sent again, and when. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 60.0


class Step(StrEnum):
    """What comes next."""

    DONE = "DONE"
    AGAIN = "AGAIN"  # all of it, later
    SPLIT = "SPLIT"  # in two halves: it is too large
    DROP = "DROP"  # without the events that were refused
    FAIL = "FAIL"  # it would be answered so for ever


@dataclass(frozen=True)
class Answer:
    """What the API said.

    Attributes:
        status: Of HTTP; 0 where there was no answer.
        retry_after: Seconds, of its header; None where there is none.
        body: JSON, where it was some.
    """

    status: int
    retry_after: float | None = None
    body: Any = None

    @property
    def said(self) -> str:
        """What to tell a person."""
        told = self.body if isinstance(self.body, dict) else {}
        text = " ".join(str(told[name]) for name in ("code", "message") if told.get(name))
        return (f"status {self.status}" if self.status else "no answer") + (f", {text}" if text else "")


def next_step(answer: Answer, events: int) -> Step:
    """Return what to do with a batch.

    Args:
        answer: To it.
        events: How many it has.
    """
    if answer.status == 202:
        return Step.DONE
    if answer.status == 0 or answer.status in _AGAIN:
        return Step.AGAIN
    if answer.status == 413 and events > 1:
        return Step.SPLIT
    if answer.status == 422 and 0 < len(refused_in(answer.body)) < events:
        return Step.DROP
    return Step.FAIL


def refused_in(body: Any) -> dict[int, str]:
    """Return place in the list -> why, of the events that an answer refuses; empty where it does not say which."""
    faults = body.get("faults") if isinstance(body, Mapping) else None
    found: dict[int, str] = {}
    for fault in faults if isinstance(faults, list) else []:
        if isinstance(fault, Mapping) and type(fault.get("index")) is int:
            text = f"{fault.get('path') or 'event'}: received {fault.get('received')}; valid is {fault.get('valid')}"
            found.setdefault(fault["index"], text)
    return found


def wait_before(tries: int, answer: Answer, draw: float) -> float:
    """Return seconds to wait before a further try.

    Args:
        tries: That there were, from 1.
        answer: To the last.
        draw: Random, 0..1: many producers that were refused together do not come back together.

    Returns:
        At least what ``Retry-After`` says, and up to as much again; without one between half of and all of 0.5, 1, 2 … 60 s.
    """
    if answer.retry_after is not None:
        return min(max(answer.retry_after, 0.1), _LONGEST_WAIT) * (1 + draw)
    return min(0.5 * 2.0 ** min(tries - 1, 10), _LONGEST_WAIT) * (0.5 + draw / 2)


__all__ = ["Answer", "Step", "next_step", "refused_in", "wait_before"]
