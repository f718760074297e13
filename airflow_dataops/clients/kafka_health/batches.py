# SPDX-License-Identifier: Apache-2.0
"""Asks of several callers that are answered together: those that come while an earlier one still waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

A = TypeVar("A")
R = TypeVar("R")
# Long enough for those that wake together (a restarted triggerer's, or those of a common schedule) to find one another.
_LINGER = 0.05


class Batch(Generic[A]):
    """Asks that wait together.

    Args:
        most: How many there may be.
    """

    def __init__(self, most: int) -> None:
        self._most, self._asks = most, list[tuple[A, asyncio.Future[Any]]]()
        self.closed = False

    def add(self, ask: A, answer: asyncio.Future[Any]) -> bool:
        """Take an ask, and the future of its answer; returns False where it is too late for that."""
        if self.closed or len(self._asks) >= self._most:
            return False
        self._asks.append((ask, answer))
        return True

    def take(self) -> list[tuple[A, asyncio.Future[Any]]]:
        """Return the asks whose answer somebody waits for; nobody may join any more."""
        self.closed = True
        return self.wanted()

    def wanted(self) -> list[tuple[A, asyncio.Future[Any]]]:
        """Return the asks whose answer somebody waits for."""
        return [(ask, answer) for ask, answer in self._asks if not answer.done()]


Take = Callable[[], Sequence[A]]


class Batches(Generic[A, R]):
    """Answers asks with the same key together.

    Args:
        most: Asks that are answered together, at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[Batch[A], asyncio.Task[None]]]]
        self._open = WeakKeyDictionary()

    async def ask(self, key: str, asks: Sequence[A], answer: Callable[[Take[A]], Awaitable[Sequence[R]]]) -> list[R]:
        """Return an answer for each ask.

        Args:
            key: Asks with the same one may be answered together.
            asks: What is asked.
            answer: Called once for all that are answered together, with a function that returns their asks: until it is called others may
                join. Returns the answers in their order. It is cancelled when nobody waits for an answer any more.
        """
        joined = [self._join(key, ask, answer) for ask in asks]
        try:
            return list(await asyncio.gather(*(mine for mine, _, _ in joined)))
        except BaseException:
            for mine, _, _ in joined:
                mine.cancel()
            idle = {task for _, batch, task in joined if not batch.wanted()}
            for task in idle:
                task.cancel()
            if idle:
                await asyncio.wait(idle)
            raise

    def _join(
        self, key: str, ask: A, answer: Callable[[Take[A]], Awaitable[Sequence[R]]]
    ) -> tuple[asyncio.Future[R], Batch[A], asyncio.Task[None]]:
        loop = asyncio.get_running_loop()
        batches = self._open.setdefault(loop, {})
        mine: asyncio.Future[R] = loop.create_future()
        found = batches.get(key)
        if found is None or found[1].done() or not found[0].add(ask, mine):
            batch: Batch[A] = Batch(self._most)
            batch.add(ask, mine)
            found = batches[key] = batch, loop.create_task(self._run(key, batch, answer))
        return mine, *found

    async def _run(self, key: str, batch: Batch[A], answer: Callable[[Take[A]], Awaitable[Sequence[R]]]) -> None:
        taken: list[tuple[A, asyncio.Future[Any]]] = []

        def take() -> Sequence[A]:
            taken.extend(batch.take())
            self._forget(key, batch)
            return [ask for ask, _ in taken]

        try:
            await asyncio.sleep(_LINGER)
            answers = await answer(take)
        except BaseException as error:
            self._forget(key, batch)
            for _, mine in batch.take():
                if isinstance(error, asyncio.CancelledError):
                    mine.cancel()
                else:
                    mine.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, mine), found in zip(taken, answers, strict=True):
                if not mine.done():
                    mine.set_result(found)

    def _forget(self, key: str, batch: Batch[A]) -> None:
        batches = self._open.get(asyncio.get_running_loop(), {})
        if key in batches and batches[key][0] is batch:
            del batches[key]
