# SPDX-License-Identifier: Apache-2.0
"""Metadata events from a notebook to the API: checked here, sent in batches, again where that helps, and nothing lost in silence."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from airflow_dataops.clients.metadata.spool import Spool
from airflow_dataops.core.errors import DataOpsError, MissingDependency, SpecError
from airflow_dataops.core.metadata.batch import BATCH_BYTES, BATCH_EVENTS
from airflow_dataops.core.metadata.sending import Answer, Step, next_step, refused_in, wait_before
from airflow_dataops.core.metadata.wire import take

TOKEN = "DATAOPS_METADATA_TOKEN"  # noqa: S105  # the name of a variable


@dataclass(frozen=True)
class Batching:
    """When what was collected is sent; whichever comes first.

    Attributes:
        events: So many.
        size: Bytes of them.
        seconds: Since the oldest was given; looked at when another one is given.
    """

    events: int = 100
    size: int = 1 << 20
    seconds: float = 5.0


class NotSent(DataOpsError):
    """Events were not accepted; ``events`` holds them as documents, ``why`` the reason of each by its key.

    Args:
        events: Documents.
        why: Key -> what was said.
        spool: File that they were written to; None: nowhere, they are only here.
    """

    default_code = "EVENTS_NOT_SENT"

    def __init__(self, events: list[dict[str, Any]], why: Mapping[str, str], spool: Path | None) -> None:
        first = next(iter(why.values()), "")
        hint = f"they are kept in {spool}: call send_spooled()" if spool else "they are in the error's `events`"
        super().__init__(f"{len(events)} events were not accepted: {first}", hint=hint)
        self.events = events
        self.why = dict(why)


@dataclass(frozen=True)
class _Waiting:
    key: str
    wire: bytes


class MetadataClient:
    """Sends events to the metadata API; not to be used by several threads at once.

    Example:
        ``with MetadataClient("https://metadata.example.com", token=…) as client: client.send({...})``

    Args:
        url: The API: ``https://host[:port]``.
        token: Bearer token; None: that of ``DATAOPS_METADATA_TOKEN``, if any.
        batching: When to send.
        give_up: Seconds for which a batch is tried again.
        timeout: Seconds for one try.
        ca: File with the authority that signed the API's certificate; None: those that the system knows.
        cert: File with a client certificate and its key, PEM.
        spool: File that takes what could not be sent, a line each; the next :meth:`send_spooled` sends it.
        sleep: Waits.
        clock: The time.

    Raises:
        SpecError: ``url`` is no address of an API (``API_ADDRESS``), or a bound is not one that the API takes.
        MissingDependency: urllib3 is not installed.
    """

    def __init__(
        self, url: str, *, token: str | None = None, batching: Batching = Batching(), give_up: float = 120.0,
        timeout: float = 30.0, ca: Path | str | None = None, cert: Path | str | None = None, spool: Path | str | None = None,
        sleep: Callable[[float], None] = time.sleep, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._url = _address(url)
        if not (1 <= batching.events <= BATCH_EVENTS and 1 <= batching.size < BATCH_BYTES):
            message = f"a batch has 1 to {BATCH_EVENTS} events and less than {BATCH_BYTES} bytes"
            raise SpecError(message, code="API_ADDRESS")
        self._batching, self._give_up, self._sleep, self._clock = batching, give_up, sleep, clock
        self._spool = Spool(Path(spool)) if spool is not None else None
        token = token or os.environ.get(TOKEN)
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._pool, self._broken = _pool(timeout, ca, cert)
        self._waiting: list[_Waiting] = []
        self._size = 0
        self._oldest = 0.0
        self.accepted = 0

    def send(self, event: Mapping[str, Any]) -> str:
        """Check an event, and send it with others: at once where a batch is full, at the latest at the end.

        Args:
            event: A document as ``docs/reference/metadata.md`` has it; ``schema_version`` may be left out, and so may
                ``idempotency_key``: the same object, looked at by the same model in the same notebook, has the same one.

        Returns:
            Its idempotency key.

        Raises:
            EventRefused: It is not valid; it is not sent, and others still are.
            NotSent: It, or others that were waiting, were not accepted. Where it is not in the error's ``events`` it waits for the next
                time.
        """
        read = take(dict(event), now=self._clock(), assumed="v1")
        key = read.written.idempotency_key
        try:
            if self._waiting and self._size + len(read.wire) + 1 > self._batching.size:
                self.flush()
        finally:  # whatever becomes of those before it: this one was given, too
            if not self._waiting:
                self._oldest = time.monotonic()
            self._waiting.append(_Waiting(key, read.wire))
            self._size += len(read.wire) + 1
        old = time.monotonic() - self._oldest >= self._batching.seconds
        if old or len(self._waiting) >= self._batching.events or self._size >= self._batching.size:
            self.flush()
        return key

    def flush(self) -> None:
        """Send what waits, and return when all of it is accepted.

        Raises:
            NotSent: Some of it was not, after all tries.
        """
        waiting, self._waiting, self._size = self._waiting, [], 0
        why: dict[str, str] = {}
        left: list[_Waiting] = []
        try:
            left = self._sent(waiting, why)
        except BaseException:  # a person interrupts it: they wait again
            self._waiting, self._size = waiting, sum(len(one.wire) + 1 for one in waiting)
            raise
        if left:
            self._keep(left)
            raise NotSent(
                [json.loads(one.wire) for one in left], why, None if self._spool is None else self._spool.file
            )

    def send_spooled(self) -> int:
        """Send what an earlier time could not; returns how many events that were.

        Raises:
            NotSent: Some were not accepted again; they stay in the file.
        """
        if self._spool is None:
            return 0
        lines = self._spool.take()
        count = 0
        left: list[_Waiting] = []
        why: dict[str, str] = {}
        for start in range(0, len(lines), self._batching.events):
            part = [_Waiting(_key_of(line), line) for line in lines[start : start + self._batching.events]]
            unsent = self._sent(part, why)
            count += len(part) - len(unsent)
            left += unsent
        self._keep(left)
        self._spool.done()
        if left:
            raise NotSent([json.loads(one.wire) for one in left], why, self._spool.file)
        return count

    def close(self) -> None:
        """Flush, and give connections back; raises as :meth:`flush`."""
        try:
            self.flush()
        finally:
            self._keep(self._waiting)  # only where that was interrupted
            self._pool.clear()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush, also where the block failed: what it gave was given."""
        self.close()

    def _sent(self, batch: list[_Waiting], why: dict[str, str]) -> list[_Waiting]:
        """Send a batch in as many requests as it takes; return what was not accepted, and note why."""
        left: list[_Waiting] = []
        parts = [batch] if batch else []
        while parts:
            part = parts.pop(0)
            answer = self._tried(part)
            step = next_step(answer, len(part))
            if step is Step.DONE:
                self.accepted += len(part)
            elif step is Step.SPLIT:
                middle = len(part) // 2
                parts[:0] = [part[:middle], part[middle:]]
            elif step is Step.DROP:
                refused = refused_in(answer.body)
                bad = [one for place, one in enumerate(part) if place in refused]
                why |= {one.key: refused[place] for place, one in enumerate(part) if place in refused}
                left += bad
                parts.insert(0, [one for place, one in enumerate(part) if place not in refused])
            else:
                why |= {one.key: answer.said for one in part}
                left += part
        return left

    def _tried(self, batch: list[_Waiting]) -> Answer:
        """Post a batch until it is answered for good, or it has been tried for long enough."""
        body = b"[" + b",".join(one.wire for one in batch) + b"]"
        end, tries = time.monotonic() + self._give_up, 0
        while True:
            answer = self._post(body)
            tries += 1
            if next_step(answer, len(batch)) is not Step.AGAIN:
                return answer
            wait = wait_before(tries, answer, random.random())  # noqa: S311  # it only spreads tries
            if time.monotonic() + wait > end:
                return answer
            self._sleep(wait)

    def _post(self, body: bytes) -> Answer:
        try:
            # By the unversioned path each event may say its own version: what lies in a spool may be of an older one.
            answer = self._pool.request(
                "POST", f"{self._url}/metadata", body=body, headers=self._headers, redirect=False
            )
        except self._broken as error:
            return Answer(0, body={"message": f"{type(error).__name__}: {error}"[:200]})
        after = answer.headers.get("Retry-After", "")
        try:
            told = json.loads(answer.data)
        except ValueError:
            told = None
        return Answer(answer.status, float(after) if after.isdecimal() else None, told)

    def _keep(self, events: list[_Waiting]) -> None:
        if self._spool is not None and events:
            self._spool.keep(one.wire for one in events)


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        hint = "as https://metadata.example.com:8080; a token goes into token="
        raise SpecError(
            "the address of the metadata API begins with https:// and a host", hint=hint, code="API_ADDRESS"
        )
    return url.rstrip("/")


def _key_of(line: bytes) -> str:
    return str(json.loads(line)["idempotency_key"])


def _pool(timeout: float, ca: Path | str | None, cert: Path | str | None) -> tuple[Any, type[Exception]]:
    try:
        import urllib3
    except ImportError as error:
        hint = 'pip install "airflow-dataops[metadata-client]"'
        raise MissingDependency("urllib3 is not installed", hint=hint) from error
    options: dict[str, Any] = {"timeout": urllib3.Timeout(timeout), "retries": False}
    if ca is not None:
        options["ca_certs"] = str(ca)
    if cert is not None:
        options["cert_file"] = str(cert)
    return urllib3.PoolManager(**options), urllib3.exceptions.HTTPError


__all__ = ["TOKEN", "Batching", "MetadataClient", "NotSent"]
