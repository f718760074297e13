# SPDX-License-Identifier: Apache-2.0
"""The performer of all machines of the core: it does what a step says, and decides nothing."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, NotRequired, Protocol, TypedDict, TypeVar, Unpack
from weakref import WeakKeyDictionary

_T = TypeVar("_T")

HURRIED_DEADLINE = 8.0  # on_kill has 30 seconds: time for a second try
_SECONDS_TO_STOP = 5.0
_ROUND = 0.5


class Step(Protocol):
    """What all machines' steps have: when to look, after the step was performed."""

    @property
    def delay(self) -> timedelta: ...


StepT = TypeVar("StepT", bound=Step)
LookT = TypeVar("LookT", bound=StrEnum)


class Machine(Protocol[StepT]):
    """A machine with the client that it needs, for one run."""

    def is_end(self, step: StepT) -> bool:
        """Tell whether all is over."""

    async def send(self, step: StepT) -> Any:
        """Send the call that a step says, once, and return its answer; None where it says none."""

    async def look(self, step: StepT, reply: Any) -> Any:
        """Look at what a step says, and return what is seen, with the answer to its call."""

    def decide(self, step: StepT, seen: Any, now: datetime, jitter: float) -> StepT:
        """Return the next step."""


def utcnow() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class _Turns:
    """Lets one run a round of the event loop go on, in the order in which they come.

    A loop does all that is ready before it looks at anything else: hundreds of runs whose answers come together (after a restart of the
    process they all do) would hold up everything else in it for as long as all of them together take.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for one's turn: what follows, up to the next ``await``, is alone in its round."""
        async with self._lock:
            await asyncio.sleep(0)


_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


async def turn() -> None:
    """Wait for one's turn: what follows, up to the next ``await``, is alone in its round of the event loop."""
    await _TURNS.setdefault(asyncio.get_running_loop(), _Turns()).take()


class Driving(TypedDict, Generic[StepT]):
    """How a machine is driven.

    Attributes:
        hear: Awaited for every step, the first one too: notes for people, the state for keeping.
        until: Asked for every step after ``hear``; where it says True, the step is returned and its action is left to the caller.
        clock: The time, with a zone.
        sleep: Waits.
        jitter: Random numbers from 0 up to 1.
    """

    hear: Callable[[StepT], Awaitable[None]]
    until: NotRequired[Callable[[StepT], bool] | None]
    clock: NotRequired[Callable[[], datetime]]
    sleep: NotRequired[Callable[[float], Awaitable[None]]]
    jitter: NotRequired[Callable[[], float]]


async def perform(machine: Machine[StepT], step: StepT, **how: Unpack[Driving[StepT]]) -> StepT:
    """Perform steps until the run is over, and return the last one.

    A step's state is told to ``hear`` before its action is performed, so whoever keeps it there can go on after a death at any moment. When
    the surrounding task is cancelled, so are its calls.

    Args:
        machine: Decides, sends and looks.
        step: The first step.
        how: See :class:`Driving`; all but ``hear`` may be left out.
    """
    hear, until = how["hear"], how.get("until")
    clock, sleep, jitter = how.get("clock", utcnow), how.get("sleep", asyncio.sleep), how.get("jitter", random.random)
    turns = _TURNS.setdefault(asyncio.get_running_loop(), _Turns())
    await turns.take()
    while True:
        await hear(step)
        if machine.is_end(step) or (until is not None and until(step)):
            return step
        reply = await machine.send(step)
        if step.delay:
            await sleep(step.delay.total_seconds())
            await turns.take()
        seen = await machine.look(step, reply)
        await turns.take()
        step = machine.decide(step, seen, clock(), jitter())


async def seen_by(looks: Iterable[LookT], look: Callable[[LookT], Awaitable[Any]]) -> dict[str, Any]:
    """Look at everything that a step asks for, all at once, and return look -> what is seen.

    Nothing is left running where one of the looks breaks or this is cancelled.
    """
    wanted = sorted(looks)
    if len(wanted) == 1:  # the usual poll: no task is made for it
        return {str(wanted[0]): await look(wanted[0])}
    tasks = [asyncio.ensure_future(look(one)) for one in wanted]
    try:
        found = await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    return {str(one): seen for one, seen in zip(wanted, found, strict=True)}


def run_blocking(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on an event loop and a thread of its own, and return what it returns.

    So it works where a loop runs already, and inside a signal handler: the interrupted thread holds nothing that the other one needs.
    A handler that raises (a task's time-out, a Ctrl-C) cancels the coroutine, which gets 5 seconds to end. A coroutine that was being
    waited for when the handler was called goes on meanwhile: let its ``until`` see that its end has come.

    Raises:
        BaseException: What the coroutine raised, or what a signal handler raised in the waiting thread.
    """
    outcome: Future[_T] = Future()
    runner: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[_T]]] = []
    late = threading.Event()

    async def main() -> _T:
        task = asyncio.ensure_future(coroutine)
        runner.append((asyncio.get_running_loop(), task))
        if late.is_set():
            task.cancel()
        return await task

    def work() -> None:
        try:
            outcome.set_result(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001  it is raised where the result is waited for
            outcome.set_exception(error)

    try:
        # A handler can raise while the thread starts, too.
        threading.Thread(target=work, name="dataops-run", daemon=True).start()
        while not outcome.done():
            # A signal can come just before the wait begins, or to another thread; it is noticed at the next round then.
            wait([outcome], _ROUND)
        return outcome.result()
    except BaseException:
        late.set()  # before the look at the runner: one of the two sees the other
        for loop, task in runner if not outcome.done() else ():
            with suppress(RuntimeError):  # the loop ends just now
                loop.call_soon_threadsafe(task.cancel)
        wait([outcome], _SECONDS_TO_STOP)
        raise


__all__ = ["HURRIED_DEADLINE", "Driving", "Machine", "perform", "run_blocking", "seen_by", "turn", "utcnow"]
