# SPDX-License-Identifier: Apache-2.0
"""What all janitors' hands have in common."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

import pytest

from airflow_dataops.clients import sweeping
from airflow_dataops.clients.sweeping import AT_ONCE, Swept, perform
from airflow_dataops.core.janitor import Finding
from airflow_dataops.core.machine import Accepted, CallError

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Verdict(StrEnum):
    IN_USE = "IN_USE"
    ORPHANED = "ORPHANED"
    STUCK = "STUCK"


class Report(sweeping.Report):
    area: ClassVar[str] = "things"

    things: tuple[Swept, ...] = ()

    @property
    def swept(self) -> tuple[Swept, ...]:
        return self.things


def finding(name: str, verdict: Verdict = Verdict.ORPHANED, *, delete: bool = True) -> Finding:
    return Finding(name=name, verdict=verdict, delete=delete, text="seen")


def swept(findings: list[Finding], answers: dict[str, CallError], *, dry_run: bool = False) -> tuple[Swept, ...]:
    async def delete(one: Finding) -> Accepted | CallError:
        return answers.get(one.name, Accepted())

    return asyncio.run(perform(findings, delete, Swept, gone=("NOT_FOUND",), dry_run=dry_run))


def test_each_answer_has_its_word_in_the_order_of_the_findings() -> None:
    answers = {"gone": CallError("NOT_FOUND", "none"), "kept": CallError("FORBIDDEN", "no right")}
    findings = [finding("used", Verdict.IN_USE, delete=False), finding("taken"), finding("gone"), finding("kept")]
    assert [(one.finding.name, one.done, one.error) for one in swept(findings, answers)] == [
        ("used", "left", ""),
        ("taken", "deleted", ""),
        ("gone", "gone", ""),
        ("kept", "failed", "FORBIDDEN: no right"),
    ]


def test_a_dry_run_sends_nothing() -> None:
    answers = {"a": CallError("FORBIDDEN", "was asked")}
    found = swept([finding("a"), finding("b", Verdict.IN_USE, delete=False)], answers, dry_run=True)
    assert [one.done for one in found] == ["would_delete", "left"]


def test_only_a_few_requests_are_under_way_at_once() -> None:
    under_way, most = 0, 0

    async def delete(one: Finding) -> Accepted:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return Accepted()

    many = [finding(str(number)) for number in range(3 * AT_ONCE)]
    asyncio.run(perform(many, delete, Swept, gone=(), dry_run=False))
    assert most == AT_ONCE


@pytest.mark.parametrize(
    ("one", "ok"),
    [
        (Swept(finding=finding("a"), done="deleted"), True),
        (Swept(finding=finding("a"), done="gone"), True),
        (Swept(finding=finding("a"), done="failed", error="no"), False),
        (Swept(finding=finding("a", Verdict.STUCK), done="deleted"), False),
    ],
)
def test_what_fails_or_is_stuck_makes_a_sweep_bad(one: Swept, ok: bool) -> None:
    report = Report(at=NOW, dry_run=False, things=(one,))
    assert (report.ok, report.bad) == (ok, [] if ok else [one])


def test_the_alert_line_counts() -> None:
    things = tuple(Swept(finding=finding("a"), done=done) for done in ("deleted", "deleted", "failed", "left"))
    assert Report(at=NOW, dry_run=False, things=things).alert_line == (
        "dataops.things.janitor looked_at=4 deleted=2 failed=1"
    )
