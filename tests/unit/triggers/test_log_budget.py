# SPDX-License-Identifier: Apache-2.0
"""What all triggers of a process may write together, and a listener that keeps to it."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from itertools import accumulate

import pytest

from airflow_dataops.core.pacing import LINE, Pace, Piece
from airflow_dataops.triggers._driven import Listener
from airflow_dataops.triggers._log_budget import LogBudget

pytestmark = pytest.mark.airflow

LINES = [str(number) for number in range(100)]
SLOW = Pace(rate=1, burst=10 * (LINE + 10))  # after the burst nothing for minutes


@dataclass
class Told:
    """A log whose cursor is the number of lines that were told."""

    cursor: int = 0

    def pieces(self, size: int = 3) -> list[Piece[int]]:
        begins = range(self.cursor, len(LINES), size)
        return [Piece(tuple(LINES[begin : begin + size]), min(begin + size, len(LINES))) for begin in begins]


def test_who_would_wait_too_long_takes_nothing_and_is_told_so_at_once() -> None:
    async def take() -> list[bool]:
        budget = LogBudget(Pace(rate=1, burst=10))
        until = time.monotonic() + 5
        return [await budget.take(cost, until) for cost in (10, 100, 2)]

    assert asyncio.run(take()) == [True, False, True]


def test_others_have_their_turn_while_a_long_log_is_told() -> None:
    said: list[str] = []
    seen: list[int] = []

    async def others() -> None:
        while len(said) < len(LINES):
            seen.append(len(said))
            await asyncio.sleep(0)

    async def both() -> None:
        beside = asyncio.create_task(others())
        await Listener(said.append, LogBudget()).tell(log := Told(), log.pieces(), math.inf)
        await beside

    asyncio.run(both())
    assert said == LINES
    assert len(seen) > 5


def test_two_triggers_share_the_budget_line_by_line() -> None:
    said: list[str] = []

    async def one(name: str) -> None:
        listener = Listener(lambda _: said.append(name), budget)
        await listener.tell(log := Told(80), log.pieces(1), math.inf)

    async def both() -> None:
        await asyncio.gather(one("a"), one("b"))

    budget = LogBudget(Pace(rate=100 * LINE, burst=LINE))
    asyncio.run(both())
    assert len(said) == 40
    ahead = list(accumulate(1 if name == "a" else -1 for name in said))
    assert max(map(abs, ahead)) <= 2  # of a loop that is late one may be served before its turn


def test_a_trigger_that_is_cancelled_while_it_waits_has_told_what_its_cursor_says() -> None:
    said: list[str] = []
    log, waits = Told(), asyncio.Event()

    class Watched(LogBudget):
        async def take(self, cost: int, until: float) -> bool:
            if len(said) >= 9:  # the burst is used up
                waits.set()
            return await super().take(cost, until)

    async def cancelled() -> None:
        telling = asyncio.create_task(Listener(said.append, Watched(SLOW)).tell(log, log.pieces(), math.inf))
        await waits.wait()
        telling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await telling

    asyncio.run(cancelled())
    assert 0 < len(said) == log.cursor < len(LINES)
    asyncio.run(Listener(said.append).tell(log, log.pieces(), math.inf))
    assert said == LINES


def test_who_gives_up_says_so_and_goes_on_later() -> None:
    said: list[str] = []
    log, listener = Told(), Listener(said.append, LogBudget(SLOW))
    assert asyncio.run(listener.tell(log, log.pieces(), time.monotonic())) == len(said) == log.cursor
    assert listener.behind
    assert 0 < len(said) < len(LINES)


def test_a_worker_has_no_budget() -> None:
    said: list[str] = []
    log = Told()
    assert asyncio.run(Listener(said.append).tell(log, log.pieces(), 0.0)) == len(LINES)
    assert said == LINES
