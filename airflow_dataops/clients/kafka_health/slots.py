# SPDX-License-Identifier: Apache-2.0
"""A few places for all event loops of a process: who comes first is served first."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """Places that are taken and given back; a loop that waits for one is not held up.

    Args:
        places: Their number.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._lock = threading.Lock()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        await self._take()
        try:
            yield
        finally:
            self._give()

    async def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine = asyncio.get_running_loop().create_future()
            self._waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            with self._lock:
                waits = mine in self._waiting
                if waits:
                    self._waiting.remove(mine)
            if not waits:  # it was ours in this very moment
                self._give()
            raise

    def _give(self) -> None:
        with self._lock:
            while self._waiting:
                first = self._waiting.popleft()
                try:
                    first.get_loop().call_soon_threadsafe(_tell, first)
                except RuntimeError:
                    continue  # its loop is closed, and nobody waits
                return
            self._free += 1


def _tell(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
