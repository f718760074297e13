# SPDX-License-Identifier: Apache-2.0
"""Events to the publisher, and whether it can be reached."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from airflow_dataops.clients.metadata.ports import Publisher
from airflow_dataops.core.errors import DataOpsError, TransientError
from airflow_dataops.core.metadata.dead_letter import Outgoing

Probe = Callable[[], object]
_HANGS = 60.0  # seconds


class _Acknowledged:
    """All acknowledgements of a request as one: the event loop is woken once, not for each event."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._left = count
        self._error: BaseException | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()

    def one(self, future: Future[None]) -> None:
        """Take one; called on whatever thread it comes by."""
        error = future.exception()
        with self._lock:
            self._left -= 1
            self._error = self._error or error
            last = not self._left
        if last:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self.done.done():
            return  # nobody waits any more
        if self._error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(self._error)


async def publish(publisher: Publisher, records: Sequence[Outgoing], seconds: float) -> None:
    """Return when all records are acknowledged.

    Raises:
        DataOpsError: One is not: the publisher's error, or ``PUBLISH_TIMEOUT``. Others of them may be published.
    """
    if not records:
        return
    all_of_them = _Acknowledged(len(records))
    sent = [publisher.send(record) for record in records]
    for future in sent:
        future.add_done_callback(all_of_them.one)
    try:
        async with asyncio.timeout(seconds):
            await all_of_them.done
    except TimeoutError:
        message = f"no acknowledgement within {seconds:g} seconds"
        raise TransientError(message, code="PUBLISH_TIMEOUT") from None


class Health:
    """Whether events can be published, by what was seen last: an acknowledgement, a failure, or what a probe said.

    Args:
        probe: Raises a :class:`DataOpsError` where they cannot; runs on a thread.
        every: Seconds between two looks.
        clock: Seconds that pass.
    """

    def __init__(self, probe: Probe, every: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._probe, self._every, self._clock = probe, every, clock
        self._seen, self._beat = float("-inf"), clock()
        self._lock = asyncio.Lock()
        self.error: DataOpsError | None = None
        self.stopping = False

    @property
    def is_ready(self) -> bool:
        """Whether events could be published when that was last seen, and the service stays."""
        return not self.stopping and self.error is None and self._seen > float("-inf")

    @property
    def is_alive(self) -> bool:
        """False where nobody has come round for long: the event loop hangs."""
        return self._clock() - self._beat < _HANGS

    def succeeded(self) -> None:
        """Note that brokers have acknowledged."""
        self.error, self._seen = None, self._clock()

    def failed(self, error: DataOpsError) -> None:
        """Note that they have not; what is wrong with one record says nothing of the others."""
        if error.code != "KAFKA_RECORD_TOO_LARGE" and not error.code.endswith("BUFFER_FULL"):
            self.error, self._seen = error, float("-inf")

    async def look(self) -> None:
        """Ask, unless what was seen is fresh."""
        async with self._lock:
            if self.error is None and self._clock() - self._seen < self._every:
                return
            try:
                await asyncio.to_thread(self._probe)
                self.succeeded()
            except DataOpsError as error:
                self.failed(error)

    async def watch(self) -> None:
        """Look for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._come_round())  # a look may take as long as brokers do
            while True:
                await self.look()
                await asyncio.sleep(self._every)

    async def _come_round(self) -> None:
        while True:
            self._beat = self._clock()
            await asyncio.sleep(self._every)


__all__ = ["Health", "Probe", "publish"]
