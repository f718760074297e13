# SPDX-License-Identifier: Apache-2.0
"""Looks at a group again and again: asks, lets the core judge, and waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from airflow_dataops.clients.drive import turn
from airflow_dataops.clients.kafka_health import probe
from airflow_dataops.clients.kafka_health.probe import KafkaAccess, Probes
from airflow_dataops.core.kafka_health.asking import ask_of
from airflow_dataops.core.kafka_health.codes import Severity
from airflow_dataops.core.kafka_health.course import Course, seen_in
from airflow_dataops.core.kafka_health.hand_over import HealthReport, report_of
from airflow_dataops.core.kafka_health.spec import CheckParts
from airflow_dataops.core.kafka_health.verdict import GroupVerdict, judge
from airflow_dataops.core.kafka_health.window import Window

_MANY = 200  # partitions that take too long to judge for an event loop that has other things to do


async def pause(seconds: float) -> None:
    """Wait."""
    await asyncio.sleep(seconds)


async def _ignore(_: GroupVerdict) -> None:
    pass


@dataclass(frozen=True)
class Watched:
    """What looks came to.

    Attributes:
        verdict: The last one.
        window: What the next look goes on from.
        course: What was, and what is left of it.
    """

    verdict: GroupVerdict
    window: Window
    course: Course

    def since(self, before: str | None) -> Watched:
        """Return the same, compared with what looks came to before these; ``changed`` of the verdict means that."""
        return replace(self, verdict=replace(self.verdict, before=None if before is None else Severity(before)))

    def report(self, check: CheckParts) -> HealthReport:
        """Return what is left of it when a task is over."""
        return report_of(check, self.verdict, self.window, self.course)


@dataclass(frozen=True)
class Watch:
    """One who looks.

    Attributes:
        check: What is looked for.
        access: Returns how to reach the cluster; asked for at each look, since tokens expire.
        hear: Awaited with each verdict.
        probes: Asks; those of this process when omitted.
        sleep: Waits.
        clock: Seconds since 1970.
    """

    check: CheckParts
    access: Callable[[], Awaitable[KafkaAccess]]
    hear: Callable[[GroupVerdict], Awaitable[None]] = _ignore
    probes: Probes = field(default_factory=lambda: probe.PROBES)
    sleep: Callable[[float], Awaitable[None]] = field(default_factory=lambda: pause)
    clock: Callable[[], float] = time.time

    async def look(self, window: Window | None) -> tuple[GroupVerdict, Window]:
        """Look once."""
        seen = window or Window()
        ask = ask_of(self.check, seen_in(seen))
        access = await self.access()
        [snapshot] = await self.probes.probe(access, [ask], seconds=self.check.timeout.total_seconds())
        if len(snapshot.partitions) > _MANY:
            verdict, after = await asyncio.to_thread(judge, self.check, snapshot, seen)
        else:
            await turn()
            verdict, after = judge(self.check, snapshot, seen)
        await self.hear(verdict)
        return verdict, after

    async def follow(
        self, course: Course, window: Window | None = None, *, ends_at: float | None = None, most: int | None = None
    ) -> Watched:
        """Look until a course is over.

        Args:
            course: How often, or until when.
            window: What earlier looks saw.
            ends_at: No look begins after that, in seconds since 1970; there is one in any case.
            most: Looks at most.
        """
        before, looked = (window or Window()).severity, 0
        interval = self.check.interval.total_seconds()
        while True:
            began = self.clock()
            verdict, window = await self.look(window)
            course, looked = course.after(verdict), looked + 1
            wait = max(0.0, began + interval - self.clock())
            if course.over or looked == most or (ends_at is not None and self.clock() + wait > ends_at):
                return Watched(verdict, window, course).since(before)
            await self.sleep(wait)


__all__ = ["Watch", "Watched"]
