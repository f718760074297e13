# SPDX-License-Identifier: Apache-2.0
"""Whatever happens: one driver at work, nothing foreign touched, no success that was not seen, an end in time, and a kill that deletes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, seed, settings
from hypothesis import Phase as Hunting
from hypothesis import strategies as st

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.spark_k8s import dropping, finding, judging, lifecycle, making, names, turn
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.lifecycle import resume, stop
from airflow_dataops.core.spark_k8s.observation import EventView
from airflow_dataops.core.spark_k8s.state import CallKind, Phase
from airflow_dataops.core.spark_k8s.turn import Call, End, Step
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.core.spark_k8s.performer import Task, code_of, run_of
from tests.unit.core.spark_k8s.samples import IDENTITY
from tests.unit.core.spark_k8s.simulator import Kube

NO_SHRINK = [Hunting.explicit, Hunting.reuse, Hunting.generate]
MINUTE = timedelta(minutes=1)
DELETES = (CallKind.DELETE_POD, CallKind.DELETE_APPLICATION)
CREATES = (CallKind.CREATE_POD, CallKind.CREATE_APPLICATION)

fates = st.one_of(
    st.builds(Fate, start=st.integers(0, 200), run=st.integers(0, 400)),
    st.builds(Fate, run=st.integers(0, 100), exit_code=st.sampled_from([1, 3, 137, 143])),
    st.builds(Fate, run=st.just(1e6), grace=st.sampled_from([5, 60, None])),
    st.just(Fate(start=None)),
    st.just(Fate(scheduled=False, events=(EventView(reason="FailedScheduling", message="0/3 nodes"),))),
    st.builds(Fate, waiting=st.sampled_from(["ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"])),
    st.builds(
        Fate, run=st.integers(0, 100), exit_code=st.just(137), pod_reason=st.sampled_from(["Evicted", "NodeLost"])
    ),
    st.builds(Fate, sidecar=st.just(True), run=st.integers(0, 100)),
    st.builds(Fate, run=st.just(1000), grace=st.sampled_from([5, 60, None])),
)
by_hand = st.builds(Fate, deleted_at=st.integers(0, 300), run=st.integers(0, 400), grace=st.sampled_from([5, 60]))
networks = st.lists(
    st.sampled_from(["ok"] * 4 + ["lost", "refused", "late", "throttled", "broken", "forbidden"]), max_size=12
)
weather = st.lists(
    st.sampled_from(
        [None] * 4 + [CallError(code) for code in ("UNAVAILABLE", "GONE", "UNAUTHORIZED", "FORBIDDEN", "LOST")]
    ),
    max_size=20,
)
hows = st.sampled_from(["killed", "restarted", "stopped", "zombie"])
deaths = st.lists(st.tuples(st.integers(0, 30), hows, st.integers(0, 10), st.integers(0, 400)), max_size=3)


@dataclass(repr=False)
class World:
    """An API server, the processes that live, and what has to be true of them."""

    kube: Kube
    zombies: list[tuple[Task, Step]] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    counted: bool = False

    def __repr__(self) -> str:
        """Say little: hypothesis prints it before anything has happened."""
        return "World()"

    def go(self, one: Task, step: Step, steps: int = 3_000, latest: datetime | None = None) -> Step:
        """Do steps of a process; those that should be dead do theirs in between."""
        for _ in range(steps):
            if isinstance(step.action, End):
                return step
            step = one.follow(step, 1)
            self.zombies = [(other, other.follow(its, 1)) for other, its in self.zombies]
            assert self.kube.most_at_work <= 1, (one.notes, self.kube.made)
            assert latest is None or self.zombies or self.kube.now <= latest, one.notes  # their delays add to the clock
        assert steps < 3_000, "the machine does not end"
        return step

    def end(self, one: Task, step: Step) -> Step:
        """Go on to the end; say when it would be too late."""
        latest = max(step.state.work_until, self.kube.now) + one.run.policy.delete_timeout + 3 * MINUTE
        return self.go(one, step, latest=latest)

    def die(self, one: Task, step: Step, how: str, back: int) -> Step:
        """Let the process die in one of its ways; return how it goes on."""
        if how == "zombie":
            self.zombies.append((Task(self.kube, one.run, tries=one.tries), step))
        if how == "restarted":
            known = [state for state in one.states if state.uid and state.try_number == one.tries]
            return resume(one.run, known[-1 - min(back, len(known) - 1)] if known else step.state, self.kube.now)
        if how == "stopped":
            begun = self.kube.now
            one.follow(stop(one.run, step.state, begun, why="marked failed"))
            assert self.kube.now - begun <= MINUTE
        return self.begin(one)

    def begin(self, one: Task) -> Step:
        """Begin a new try."""
        return one.start(attempt=one.tries * one.run.policy.attempts + 1 if self.counted else 1)

    def live(self, one: Task, planned: list[tuple[int, str, int, int]]) -> Step:
        """Live through all of it, to the end."""
        step = self.begin(one)
        for steps, how, back, pause in planned:
            step = self.go(one, step, steps)
            self.kube.advance(timedelta(seconds=pause))
            step = self.die(one, step, how, back)
        return self.end(one, step)


def world(draw: st.DrawFn, mode: str, fate: st.SearchStrategy[Fate], attempts: int = 1) -> World:
    kube = Kube(
        run_of(mode, attempts=attempts), identity=IDENTITY, fates=iter(draw(st.lists(fate, min_size=1, max_size=5)))
    )
    network, sky = iter(draw(networks)), iter(draw(weather))
    kube.on_call = lambda _: next(network, "ok")
    kube.on_read = lambda _: next(sky, None)
    kube.room_at = kube.now + timedelta(seconds=draw(st.sampled_from([0, 0, 0, 90, 1000])))
    return World(kube)


def strange(one: World) -> None:
    """Put there what is not the run's, some of it with the run's labels."""
    own = names.labels_of(one.kube.run, IDENTITY, 1)
    one.strangers = [one.kube.foreign("other"), one.kube.foreign("debug-copy", own)]


def hold(one: World, ended: Step, task: Task) -> None:
    """Say what holds at the end of every try."""
    kube = one.kube
    assert isinstance(ended.action, End)
    outcome = ended.action.outcome
    event(code_of(outcome) or "ok")
    if outcome.ok:
        assert ended.state.ended is Stage.SUCCEEDED
        assert any(seen.ended is Stage.SUCCEEDED for seen in task.states)
        assert ended.state.driver is not None
        assert ended.state.driver.stage is Stage.SUCCEEDED
        assert ended.state.uid in {f"uid-{number}" for number in range(1, kube.uids + 1)}
    assert {pod.uid for pod in kube.pods.values()} >= set(one.strangers)
    told = {call.uid for _, call in kube.calls if call.kind in DELETES}
    assert not told & {"", *one.strangers}


@settings(max_examples=100, phases=NO_SHRINK, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), deaths, st.sampled_from(["direct", "crd", "apache"]), st.booleans(), st.sampled_from([1, 2]))
def test_one_driver_at_a_time_and_each_number_once(
    data: st.DataObject, planned: list[tuple[int, str, int, int]], mode: str, counted: bool, attempts: int
) -> None:
    one = data.draw(st.composite(world)(mode, fates, attempts))
    one.counted = counted
    if counted and mode != "direct":  # there only the name keeps a late create from a second driver
        network = one.kube.on_call
        one.kube.on_call = lambda call: network(call).replace("late", "lost")
    strange(one)
    alone = [death for death in planned if death[1] != "zombie"]
    task = Task(one.kube, one.kube.run)
    ended = one.live(task, alone)
    hold(one, ended, task)
    if counted and mode == "direct":
        assert len(set(one.kube.made)) == len(one.kube.made), (one.kube.made, task.notes)


@settings(max_examples=100, phases=NO_SHRINK, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), deaths, st.booleans())
def test_processes_that_should_be_dead_and_hands_that_delete_make_no_second_driver_work(
    data: st.DataObject, planned: list[tuple[int, str, int, int]], counted: bool
) -> None:
    one = data.draw(st.composite(world)("direct", st.one_of(fates, by_hand)))
    one.counted = counted
    strange(one)
    task = Task(one.kube, one.kube.run)
    hold(one, one.live(task, planned), task)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.integers(0, 25), st.sampled_from(["direct", "crd", "apache"]))
def test_a_killed_runs_driver_is_always_told_to_go(data: st.DataObject, steps: int, mode: str) -> None:
    one = data.draw(st.composite(world)(mode, fates))
    task = Task(one.kube, one.kube.run)
    step = task.follow(task.start(), steps)
    if isinstance(step.action, End):
        return
    one.kube.on_read = lambda _: None
    begun = one.kube.now
    ended = task.follow(stop(task.run, step.state, begun, why="marked failed"))
    assert one.kube.now - begun <= MINUTE
    assert isinstance(ended.action, End)
    assert not ended.action.outcome.ok or step.state.outcome is not None
    told = {call.uid for _, call in one.kube.calls if call.kind in DELETES}
    one.kube.advance(30 * MINUTE)
    left = {pod.uid for pod in one.kube.ours() if pod.began is not None and not pod.application} | {
        application.uid for application in one.kube.applications.values() if application.made <= begun
    }
    assert left <= told, (task.notes, one.kube.calls[-4:])


# Bugs that each break one of the promises above; a test that does not see them proves nothing.


def blind(*_: Any) -> list[Any]:
    return []


def gone_is_success(t: Any) -> Any:
    if t.state.lost:
        t.set(ended=Stage.SUCCEEDED)
        return t.settle()
    return judging.judge(t)


def anything_is_ours(self: Any, view: Any) -> bool:
    return names.owns(view.labels, self.state.own)


def look_never(t: Any) -> Any:
    t.seen = turn.Observation(pods=(), applications=())
    return finding.find(t)


def wait_for_ever(t: Any) -> Any:
    t.set(drop_until=None)
    return dropping.drop(t)


def kill_without_a_word(self: Any) -> Phase:
    return Phase.END


def same_number(t: Any) -> Any:
    following = finding.find(t)
    if following is Phase.CREATE:
        t.set(attempt=1)
    return following


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], Callable[[], None]]] = {
    "no look for others": (
        lambda patch: patch.setattr(making, "others_alive", blind),
        test_processes_that_should_be_dead_and_hands_that_delete_make_no_second_driver_work,
    ),
    "404 is success": (
        lambda patch: patch.setitem(lifecycle._HANDLERS, Phase.JUDGE, gone_is_success),
        test_processes_that_should_be_dead_and_hands_that_delete_make_no_second_driver_work,
    ),
    "an operator's pod is forgotten with its application": (
        lambda patch: patch.setattr(finding, "_strays", blind),
        test_one_driver_at_a_time_and_each_number_once,
    ),
    "labels alone make it ours": (
        lambda patch: patch.setattr(turn.Turn, "is_ours", anything_is_ours),
        test_one_driver_at_a_time_and_each_number_once,
    ),
    "a new try does not look": (
        lambda patch: patch.setitem(lifecycle._HANDLERS, Phase.FIND, look_never),
        test_one_driver_at_a_time_and_each_number_once,
    ),
    "a deletion has no deadline": (
        lambda patch: patch.setitem(lifecycle._HANDLERS, Phase.DROP, wait_for_ever),
        test_one_driver_at_a_time_and_each_number_once,
    ),
    "a kill deletes nothing": (
        lambda patch: patch.setattr(turn.Turn, "clean", kill_without_a_word),
        test_a_killed_runs_driver_is_always_told_to_go,
    ),
    "numbers are used again": (
        lambda patch: patch.setitem(lifecycle._HANDLERS, Phase.FIND, same_number),
        test_one_driver_at_a_time_and_each_number_once,
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, promise = PLANTED[bug]
    plant(monkeypatch)
    body = promise.hypothesis.inner_test  # type: ignore[attr-defined]
    strategies = promise.hypothesis._given_kwargs  # type: ignore[attr-defined]
    once = settings(max_examples=2000, database=None, phases=[Hunting.generate], report_multiple_bugs=False)
    for number in range(8):
        try:
            seed(number)(once(given(**strategies)(body)))()
        except AssertionError:
            return
    pytest.fail("nobody has seen it")


def test_a_call_is_never_repeated_without_a_pause() -> None:
    one = Task(Kube(run_of(), identity=IDENTITY), run_of())
    one.kube.on_call = lambda call: "refused" if isinstance(call, Call) else "ok"
    one.finish()
    times = [at for at, call in one.kube.calls if call.kind is CallKind.CREATE_POD]
    assert len(times) > 3
    assert min(later - earlier for earlier, later in pairwise(times)) >= timedelta(seconds=1)
