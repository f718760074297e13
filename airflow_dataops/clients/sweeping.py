# SPDX-License-Identifier: Apache-2.0
"""The hands of all janitors: they delete what the core condemns, a few at a time, and report it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import AwareDatetime

from airflow_dataops.core.janitor import STUCK, Finding
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.model import Model

AT_ONCE = 10


class Swept(Model):
    """What was done about one thing.

    Attributes:
        finding: The decision, and why.
        done: ``left`` alone, ``deleted`` (the request was taken), ``gone`` already, ``would_delete`` (a dry run) or ``failed``.
        error: Why the request failed; empty otherwise.
    """

    finding: Finding
    done: str
    error: str = ""

    @property
    def bad(self) -> bool:
        """True where it should go and does not."""
        return self.done == "failed" or self.finding.verdict == STUCK


class Report(Model):
    """One sweep.

    Attributes:
        at: When.
        dry_run: Nothing was deleted.
    """

    area: ClassVar[str]

    schema_version: int = 1
    at: AwareDatetime
    dry_run: bool

    @property
    @abstractmethod
    def swept(self) -> Sequence[Swept]:
        """What was found and done."""

    @property
    def bad(self) -> list[Swept]:
        """What should go and does not."""
        return [one for one in self.swept if one.bad]

    @property
    def ok(self) -> bool:
        """True where every request was taken, and no deletion is stuck."""
        return not self.bad

    @property
    def alert_line(self) -> str:
        """The line of a task's log that alerts count: ``dataops.spark_k8s.janitor looked_at=3 deleted=1 failed=0``."""
        counts = f"deleted={self.count('deleted')} failed={self.count('failed')}"
        return f"dataops.{self.area}.janitor looked_at={len(self.swept)} {counts}"

    def count(self, done: str) -> int:
        """Return for how many things ``done`` is what was done."""
        return sum(one.done == done for one in self.swept)


FindingT = TypeVar("FindingT", bound=Finding)
SweptT = TypeVar("SweptT", bound=Swept)


async def perform(
    findings: Iterable[FindingT],
    delete: Callable[[FindingT], Awaitable[Any]],
    kind: type[SweptT],
    *,
    gone: Collection[str],
    dry_run: bool,
) -> tuple[SweptT, ...]:
    """Delete what is to be deleted, and return what was done, in the order of the findings.

    Args:
        findings: The decisions.
        delete: Sends one request once, and returns its answer.
        kind: The area's record of what was done.
        gone: Codes of a ``CallError`` that say that there is no such thing any more.
        dry_run: Delete nothing.
    """
    lock = asyncio.Semaphore(AT_ONCE)

    async def one(finding: FindingT) -> SweptT:
        if not finding.delete or dry_run:
            return kind(finding=finding, done="would_delete" if finding.delete else "left")
        async with lock:
            reply = await delete(finding)
        if not isinstance(reply, CallError):
            return kind(finding=finding, done="deleted")
        if reply.code in gone:
            return kind(finding=finding, done="gone")
        return kind(finding=finding, done="failed", error=f"{reply.code}: {reply.message}")

    return tuple(await asyncio.gather(*(one(finding) for finding in findings)))


__all__ = ["AT_ONCE", "Report", "Swept", "perform"]
