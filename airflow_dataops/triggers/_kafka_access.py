# SPDX-License-Identifier: Apache-2.0
"""Connections and tokens, read once for all checks of a process that look at about the same time.

Checks that ask with the same settings and the same token share a probe's process; each token that a callback makes is another one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.clients.kafka_health.probe import KafkaAccess

SECONDS_TO_KEEP = 45.0  # a password that was changed is taken soon
_SPARE = 60.0  # a token that a probe takes along has to last for so long


class Accesses:
    """What connections came to, for a short time. Each event loop has its own.

    Args:
        read: Reads one, with the arguments of :class:`~airflow_dataops.hooks.kafka_health.KafkaHealthHook`. It may block.
        clock: Seconds since 1970.
    """

    def __init__(self, read: Callable[[dict[str, Any]], KafkaAccess], clock: Callable[[], float] = time.time) -> None:
        self._read, self._clock = read, clock
        self._known: dict[tuple[int, str], tuple[float, asyncio.Task[KafkaAccess]]] = {}

    async def get(self, connection: dict[str, Any]) -> KafkaAccess:
        """Return how to reach the cluster of a connection."""
        loop = asyncio.get_running_loop()
        key = (id(loop), json.dumps(connection, sort_keys=True))
        since, task = self._known.get(key, (0.0, None))
        if task is None or task.get_loop() is not loop or not self._lasts(since, task):
            # Connections are read beside the loop: Airflow refuses to in one.
            task = asyncio.ensure_future(asyncio.to_thread(self._read, connection))
            self._forget_old()
            self._known[key] = (self._clock(), task)
        return await asyncio.shield(task)  # whoever is cancelled leaves it to the others

    def _lasts(self, since: float, task: asyncio.Task[KafkaAccess]) -> bool:
        now = self._clock()
        if not task.done():
            return True
        if task.cancelled() or task.exception() is not None or now - since > SECONDS_TO_KEEP:
            return False
        token = task.result().token
        return token is None or token.expires_at - now > _SPARE

    def _forget_old(self) -> None:
        now = self._clock()
        old = [key for key, (since, task) in self._known.items() if task.done() and now - since > SECONDS_TO_KEEP]
        for key in old:
            del self._known[key]


def _of_hook(connection: dict[str, Any]) -> KafkaAccess:
    from airflow_dataops.hooks.kafka_health import KafkaHealthHook

    return KafkaHealthHook(**connection).access()


SHARED = Accesses(_of_hook)
