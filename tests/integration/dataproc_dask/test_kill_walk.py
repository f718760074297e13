# SPDX-License-Identifier: Apache-2.0
"""A process that drives a run is killed at its first, second, … call; whoever follows makes nothing twice and leaves nothing.

The process is the client's performer, or the unmodified operator: as a task, or as a deferred task's trigger. With nobody to follow, the cluster's own time to live ends the bill.

Each call is in the fake's log, and its answer is held back until the process is dead: the worst moment, as the effect is there and nobody
knows. Six moments are drawn from the commit; ``make soak AREA=dataproc_dask`` walks them all, also through a stock-out.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults.fixtures import all_of
from tests.integration.dataproc_dask.driving import without_polls
from tests.integration.dataproc_dask.walking import BY, KINDS, POLL, Case, Lived, check, drawn, points, walker
from tests.integration.dataproc_dask.walking_operator import LivedByOperator
from tests.services.dataproc_fake.running import FakeDataproc

pytestmark = [pytest.mark.integration, pytest.mark.timeout(0)]


Walks = Callable[[Path, Case], Lived]


@pytest.fixture(scope="module")
def walks(dataproc_server: FakeDataproc) -> Iterator[Walks]:
    """Return what makes a run in a new project, in processes that two servers fork."""
    with walker() as clients, walker("elsewhere") as operators:

        def made(folder: Path, case: Case) -> Lived:
            folder.mkdir()
            if case.by == "operator":
                return LivedByOperator(operators, dataproc_server, folder, case.fault)
            return Lived(clients, dataproc_server, folder, case.fault)

        yield made


@pytest.mark.parametrize(("by", "kind"), [("client", "try"), ("operator", "try"), ("operator", "resume")])
def test_an_undisturbed_run_makes_at_most_ten_calls_and_polls(walks: Walks, tmp_path: Path, by: str, kind: str) -> None:
    lived = walks(tmp_path / "run", Case(kind, 0, by=by))
    lived.ready(kind)
    before = len(lived.project.calls())
    assert lived.finish(kind) is None
    found = lived.project.calls()
    assert len(without_polls(found)) <= 10, found
    seen = collections.Counter(call["method"] for call in found[before:])
    assert all(seen[method] >= nth for method, nth in points(by, kind)), (
        "each point of the walk is one that a run comes to"
    )


def test_six_calls_drawn_from_the_commit(walks: Walks, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed, found = drawn(6)
    with capsys.disabled():
        print(f"\nkilled at, drawn from {seed}:", *found, sep="\n  ")
    all_of([(str(case), partial(walked, walks, tmp_path / str(case), case)) for case in found])


def walked(walks: Walks, folder: Path, case: Case) -> None:
    assert check(walks(folder, case), case) is not None, f"{case}: the run did not come to this call"


@pytest.mark.soak
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "clusters"), [("", 1), ("create_stockout", 2), ("submit_reply_lost", 1), ("delete_reply_lost", 1)]
)
def test_every_call_of_dataproc_dask(
    walks: Walks, tmp_path: Path, by: str, kind: str, fault: str, clusters: int, capsys: pytest.CaptureFixture[str]
) -> None:
    failed, billed = [], list[float]()
    for nth in itertools.count(1):
        case = Case(kind, nth, "", fault, clusters, by)
        try:
            seconds = check(walks(tmp_path / str(nth), case), case)
        except AssertionError as error:
            failed.append(str(error)[:1500])
            continue
        if seconds is None:
            break
        billed.append(seconds)
    bound = f"{POLL:g} s a poll" if kind != "nobody" else "the cluster's idle_delete_ttl"
    with capsys.disabled():
        print(
            f"\n{nth - 1} calls of the {by} walked, then {kind}, {fault or 'no fault'}: {len(failed)} failed; "
            f"billed in vain at most {max(billed):.1f} s, {bound}"
        )
    assert failed == []
    assert nth > 10
