# SPDX-License-Identifier: Apache-2.0
"""What tests that walk share: one fork server, one prepared lake for each kind of table, and the summary at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.drawing import drawing
from tests.faults.forks import Forks, forks
from tests.faults.pipeline import VARIANTS, Variant
from tests.faults.place import BucketPlace
from tests.faults.points import Case, cases
from tests.faults.tally import TALLY
from tests.faults.walk import Walk
from tests.services.s3_servers import S3Server

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


@pytest.fixture(scope="session")
def walk_in_s3(seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WalkOf]:
    """As :func:`walk_of`, of lakes in a bucket of a real S3 server that honours conditions."""
    made: dict[Variant, Walk] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in seaweedfs.environ().items():
            patch.setenv(name, value)
        bucket = seaweedfs.bucket()
        with forks(tmp_path_factory.mktemp("forks-s3")) as server:

            def of(variant: Variant) -> Walk:
                if variant not in made:
                    place = BucketPlace(f"s3://{bucket}/{variant}")
                    made[variant] = Walk(tmp_path_factory.mktemp(f"{variant}-s3"), variant, server, place)
                return made[variant]

            yield of


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was walked."""
    if TALLY.kills:
        terminalreporter.section("kill walks")
        for line in TALLY.lines():
            terminalreporter.write_line(line)


def drawn(count: int) -> tuple[str, list[Case]]:
    """Return the commit's hash, or a fixed text where there is no git, and cases drawn from it, of three kinds of tables."""
    seed, draw = drawing()
    variants = draw.sample(VARIANTS, 3)
    return seed, draw.sample([case for case in cases() if case.variant in variants], count)


def drawn_of_each_format(count: int) -> tuple[str, list[Case]]:
    """Return the same of one kind of table of each format: ``count`` cases in which a publish is killed, once or twice."""
    seed, draw = drawing()
    found = []
    for table_format in ("parquet", "delta"):
        variant = draw.choice([variant for variant in VARIANTS if variant.format == table_format])
        of_publish = [case for case in cases() if (case.variant, case.step) == (variant, "publish")]
        found += draw.sample([case for case in of_publish if case.kind in ("rerun", "recovery")], count)
    return seed, found


def all_of(todo: Sequence[tuple[str, Callable[[], object]]]) -> None:
    """Carry out all of a list, and fail with every one that failed."""
    failed = []
    for name, call in todo:
        try:
            call()
        except AssertionError as error:
            failed.append(f"{name}: {str(error)[:1500]}")
    assert not failed, f"{len(failed)} of {len(todo)}:\n" + "\n".join(failed)
