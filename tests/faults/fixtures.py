# SPDX-License-Identifier: Apache-2.0
"""What tests that walk share: one fork server, one prepared lake for each kind of table, and the summary at the end."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.faults.forks import ROOT, Forks, forks
from tests.faults.pipeline import VARIANTS, Variant
from tests.faults.points import Case, cases
from tests.faults.tally import TALLY
from tests.faults.walk import Walk

WalkOf = Callable[[Variant], Walk]


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """A server that forks jobs."""
    with forks(tmp_path_factory.mktemp("forks")) as server:
        yield server


@pytest.fixture(scope="session")
def walk_of(forked: Forks, tmp_path_factory: pytest.TempPathFactory) -> WalkOf:
    """``walk_of(variant)``: the walk of one kind of table, prepared once."""
    made: dict[Variant, Walk] = {}

    def of(variant: Variant) -> Walk:
        if variant not in made:
            made[variant] = Walk(tmp_path_factory.mktemp(str(variant)), variant, forked)
        return made[variant]

    return of


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was walked."""
    if TALLY.kills:
        terminalreporter.section("kill walks")
        for line in TALLY.lines():
            terminalreporter.write_line(line)


def drawn(count: int) -> tuple[str, list[Case]]:
    """Return the commit's hash, or a fixed text where there is no git, and cases drawn from it, of three kinds of tables."""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    seed = asked.stdout.strip() or "no commit"
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    draw = random.Random(number)
    variants = draw.sample(VARIANTS, 3)
    return seed, draw.sample([case for case in cases() if case.variant in variants], count)


def all_of(todo: Sequence[tuple[str, Callable[[], object]]]) -> None:
    """Carry out all of a list, and fail with every one that failed."""
    failed = []
    for name, call in todo:
        try:
            call()
        except AssertionError as error:
            failed.append(f"{name}: {str(error)[:1500]}")
    assert not failed, f"{len(failed)} of {len(todo)}:\n" + "\n".join(failed)
