# SPDX-License-Identifier: Apache-2.0
"""How consumer groups do, asked by a process of its own: what crashes or hangs there does neither here.

``await probe(access, [ask])`` in a triggerer, ``drive.run_blocking(probe(access, [ask]))`` where there is no event loop. Whatever happens,
there is a snapshot of each group; one of which nothing is known says why, and is never one without lag.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_dataops.clients.kafka_health.batches import Batches, Take
from airflow_dataops.clients.kafka_health.process import MOST_BYTES, run
from airflow_dataops.clients.kafka_health.slots import Slots
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.bastion import Bastion
from airflow_dataops.core.kafka_health.codes import Code
from airflow_dataops.core.kafka_health.probing import Ended, to_ask_again, why_unread
from airflow_dataops.core.kafka_health.settings import secrets_in
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, ReadError, read_snapshot, unread
from airflow_dataops.core.secrets import hide

# More at a time only take the processor from one another, and from the event loop that waits for them.
MOST_PROCESSES = 8
MOST_GROUPS = 64
# -P: a file of the working directory must not shadow a library
COMMAND = (sys.executable, "-P", "-m", "airflow_dataops.clients.kafka_health.child")
# Of its time the process uses so much; the rest is for its start and its answer.
_FOR_KAFKA = 0.8


@dataclass(frozen=True)
class Token:
    """An OAuth token.

    Attributes:
        value: It.
        expires_at: When it expires, in seconds since 1970.
        principal: Whose it is.
        extensions: SASL extensions.
    """

    value: str
    expires_at: float
    principal: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Token(principal={self.principal!r})"


@dataclass(frozen=True, eq=False)
class KafkaAccess:
    """How to reach a cluster.

    Attributes:
        settings: Of librdkafka, with secrets. Those of consumers, producers and plugins are left out.
        token: For ``OAUTHBEARER``, where the settings alone do not bring one.
        bastion: The SSH server that the brokers are behind; None where they are reached from here.
    """

    settings: Mapping[str, Any]
    token: Token | None = None
    bastion: Bastion | None = None

    @property
    def request(self) -> dict[str, Any]:
        """What a process is told of it."""
        token = self.token
        fields = token and {**vars(token), "extensions": dict(token.extensions)}
        return {
            "settings": {name: value for name, value in self.settings.items() if _is_plain(value)},
            "token": fields,
            "bastion": self.bastion and self.bastion.document(),
        }

    def hide(self, text: str) -> str:
        """Return a text without the secrets."""
        of_token = [self.token.value] if self.token else []
        return hide(text, [*secrets_in(self.settings), *of_token, *(self.bastion.secrets if self.bastion else [])])

    def __repr__(self) -> str:
        return f"KafkaAccess({self.settings.get('bootstrap.servers')!r})"


class Probes:
    """Starts the processes that ask, a few at a time.

    Args:
        command: What runs; it gets the request as a line of JSON, and answers one line for each group.
        places: Processes at a time, those of all event loops of this process together.
        groups: Groups of one process, at most.
        most_bytes: Longest answer of a process.
        limit: Limits the time of each; a test ends it when it likes.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        places: int = MOST_PROCESSES,
        groups: int = MOST_GROUPS,
        most_bytes: int = MOST_BYTES,
        limit: Callable[[float], asyncio.Timeout] = asyncio.timeout,
    ) -> None:
        self._command, self._most_bytes, self._limit = tuple(command), most_bytes, limit
        self._slots = Slots(places)
        self._batches: Batches[GroupAsk, GroupSnapshot] = Batches(groups)

    async def probe(
        self, access: KafkaAccess, asks: Sequence[GroupAsk], *, seconds: float = 30.0
    ) -> list[GroupSnapshot]:
        """Return a snapshot of each group that is asked about, in their order.

        Groups of the same cluster that are asked about at the same time, by whomever, share a process. Where it ends without an answer for
        some, each of these is asked about alone, so that one group's crash is not another one's.

        Args:
            access: How to reach the cluster.
            asks: What to read. A group may be there twice.
            seconds: How long a process may take; a look takes at most twice that, and the time until there is a place for it.
        """
        key = json.dumps([access.request, seconds], sort_keys=True, default=str)
        return await self._batches.ask(key, asks, lambda take: self._ask(access, take, seconds))

    async def _ask(self, access: KafkaAccess, take: Take[GroupAsk], seconds: float) -> list[GroupSnapshot]:
        """Ask about groups together, then about those without an answer alone; holds a place for each process."""
        async with self._slots.place():
            asks = take()
            look = await self._together(access, asks, seconds)
        alone = to_ask_again(look.answers, len(asks))
        again = await self._alone(access, {number: asks[number] for number in alone}, seconds)
        return [look.answers.get(number) or again.get(number) or look.unread(number) for number in range(len(asks))]

    async def _alone(
        self, access: KafkaAccess, asks: Mapping[int, GroupAsk], seconds: float
    ) -> dict[int, GroupSnapshot]:
        async def one(ask: GroupAsk) -> GroupSnapshot:
            async with self._slots.place():
                look = await self._together(access, [ask], max(0.1, end - time.monotonic()))
            return look.answers.get(0) or look.unread(0)

        end = time.monotonic() + seconds
        tasks = {number: asyncio.ensure_future(one(ask)) for number, ask in asks.items()}
        try:
            # A little longer than each of them: whose time is over tells so itself.
            if tasks:
                await asyncio.wait(tasks.values(), timeout=seconds + 1)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        return {number: task.result() for number, task in tasks.items() if not task.cancelled()}

    async def _together(self, access: KafkaAccess, asks: Sequence[GroupAsk], seconds: float) -> _Look:
        look = _Look(asks, seconds)
        told = [ask.document() for ask in asks]
        request = {**access.request, "asks": told, "seconds": seconds * _FOR_KAFKA}
        line = json.dumps(request).encode() + b"\n"
        try:
            ended = await run(self._command, line, look.take, limit=self._limit(seconds), most_bytes=self._most_bytes)
        except OSError as error:
            ended = Ended(last_words=str(error))
        look.ended = Ended(ended.code, ended.timed_out, ended.overflowed, access.hide(ended.last_words))
        return look


class _Look:
    """What one process answers.

    Attributes:
        answers: Place of an ask -> its answer, where there is one.
        ended: How the process ended.
    """

    def __init__(self, asks: Sequence[GroupAsk], seconds: float) -> None:
        self._asks, self._seconds = asks, seconds
        self.answers: dict[int, GroupSnapshot] = {}
        self.ended = Ended()
        self._garbage = ""

    def take(self, line: bytes) -> None:
        """Take a line; one that is no answer is remembered."""
        try:
            document = json.loads(line)
            number, snapshot = document["ask"], document["snapshot"]
            if not isinstance(number, int) or number < 0:
                raise ValueError(number)
            ask = self._asks[number]
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            self._garbage = f"the process wrote what is no answer, {len(line)} bytes"
            return
        found = read_snapshot(ask.group, _now_ms(), snapshot)
        if found.error is not None and found.error.code == Code.PROBE_GARBAGE:
            self._garbage = found.error.message
        else:
            self.answers[number] = found

    def unread(self, number: int) -> GroupSnapshot:
        """Return the snapshot of a group without an answer."""
        why: ReadError = why_unread(self.ended, self._seconds, self._garbage)
        return unread(self._asks[number].group, _now_ms(), why.code, why.message)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _now_ms() -> int:
    return int(time.time() * 1000)


PROBES = Probes()
"""Those of this process."""


async def probe(access: KafkaAccess, asks: Sequence[GroupAsk], *, seconds: float = 30.0) -> list[GroupSnapshot]:
    """Return a snapshot of each group; see :meth:`Probes.probe`."""
    return await PROBES.probe(access, asks, seconds=seconds)


__all__ = ["COMMAND", "MOST_GROUPS", "MOST_PROCESSES", "KafkaAccess", "Probes", "Token", "probe"]
