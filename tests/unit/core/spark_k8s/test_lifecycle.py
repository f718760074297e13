# SPDX-License-Identifier: Apache-2.0
"""Every row of the table of decisions: what is seen, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.lifecycle import begin, resume, stop
from airflow_dataops.core.spark_k8s.observation import ExecutorView
from airflow_dataops.core.spark_k8s.state import CallKind, Phase, State
from airflow_dataops.core.spark_k8s.turn import Call, End
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.core.spark_k8s.performer import Task, code_of, run_of, task
from tests.unit.core.spark_k8s.samples import IDENTITY, parts
from tests.unit.core.spark_k8s.simulator import NOW, Part

MINUTE = timedelta(minutes=1)
MODES = ["direct", "crd", "apache"]
FAILS = Fate(exit_code=1, log="Traceback (most recent call last):\n  x\nValueError: no such day\n")
FOREVER = Fate(run=1e6)
WHOLE = [CallKind.CREATE_POD, CallKind.CREATE_CONFIG, CallKind.CREATE_SECRET, CallKind.DELETE_POD]
STEPS_OF_A_RUN = 16


def kinds(one: Task) -> list[CallKind]:
    return [call.kind for _, call in one.kube.calls]


def losing(kind: CallKind, *fates: str) -> Callable[[Call], str]:
    left = iter(fates)
    return lambda call: next(left, "ok") if call.kind is kind else "ok"


class TestACleanRun:
    def test_makes_the_pod_first_and_deletes_it_last(self) -> None:
        one = task()
        outcome = one.finish()
        assert outcome.ok
        assert kinds(one) == WHOLE
        assert one.kube.pods == {}

    def test_gives_config_and_secret_the_pod_as_owner(self) -> None:
        one = task()
        one.finish()
        assert [call.uid for _, call in one.kube.calls] == ["", "uid-1", "uid-1", "uid-1"]

    def test_tells_what_is_known(self) -> None:
        told = task(Fate(start=20, run=100)).finish().summary
        assert (told.attempt, told.exit_code, told.result, told.node) == (1, 0, '{"rows": 3}', "node-1")
        assert told.run_seconds == 100
        assert told.app_id == told.pod

    def test_counts_its_executors(self) -> None:
        running = tuple(ExecutorView(name=f"e-{n}", uid=f"e-{n}", phase="Running") for n in range(3))
        assert task(Fate(run=200, executors=running)).finish().summary.executor_peak == 3

    def test_asks_for_a_service_where_one_is_wanted(self) -> None:
        run = run_of()
        with_service = run.model_copy(update={"app": run.app.model_copy(update={"service": True})})
        one = task(run=with_service)
        assert one.finish().ok
        assert CallKind.CREATE_SERVICE in kinds(one)

    def test_of_an_operator_deletes_the_application_first(self) -> None:
        one = task(mode="crd")
        assert one.finish().ok
        assert kinds(one) == [
            CallKind.CREATE_APPLICATION,
            CallKind.CREATE_SECRET,
            CallKind.DELETE_APPLICATION,
            CallKind.DELETE_POD,
        ]

    def test_does_not_wait_for_a_sidecar(self) -> None:
        one = task(Fate(sidecar=True))
        assert one.finish().ok

    def test_has_as_many_steps_as_are_walked(self) -> None:
        one = task()
        assert isinstance(one.follow(one.start(), STEPS_OF_A_RUN).action, End)

    def test_of_a_standalone_master_is_no_affair_of_this_machine(self) -> None:
        with pytest.raises(SpecError, match="standalone"):
            begin(parts("target", {"mode": "standalone", "master": "local[*]"}), IDENTITY, now=NOW)

    def test_has_a_state_that_is_a_document(self) -> None:
        one = task()
        state = one.follow(one.start(), 9).state
        assert State.model_validate_json(state.model_dump_json()) == state


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("steps", range(STEPS_OF_A_RUN))
class TestDeath:
    def test_of_a_worker_is_made_good_by_the_next_try(self, steps: int, mode: str) -> None:
        one = task(mode=mode)
        one.follow(one.start(), steps)
        assert one.finish(one.start()).ok
        assert one.kube.most_at_work == 1
        assert not one.kube.ours()

    def test_of_a_triggerer_is_made_good_from_its_last_state(self, steps: int, mode: str) -> None:
        one = task(mode=mode)
        step = one.follow(one.start(), steps)
        assert one.finish(resume(one.run, step.state, one.kube.now)).ok
        assert len(one.kube.made) == 1

    def test_by_a_kill_leaves_no_driver(self, steps: int, mode: str) -> None:
        one = task(FOREVER, mode=mode)
        step, begun = one.follow(one.start(), steps), one.kube.now
        outcome = one.finish(stop(one.run, step.state, begun, why="marked failed"))
        assert code_of(outcome) == "KILLED"
        assert one.kube.now - begun <= timedelta(seconds=30)
        one.kube.advance(MINUTE)
        assert not one.kube.ours()


class TestAnAnswerThatIsLost:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("fate", ["lost", "late", "refused", "throttled", "broken"])
    @pytest.mark.parametrize("kind", list(CallKind))
    def test_makes_no_second_driver(self, kind: CallKind, fate: str, mode: str) -> None:
        one = task(mode=mode)
        one.kube.on_call = losing(kind, fate, fate)
        assert one.finish().ok
        assert len(one.kube.made) == 1

    def test_to_a_create_that_fills_the_quota_is_found(self) -> None:
        one = task()
        one.kube.on_call = losing(CallKind.CREATE_POD, "lost")
        step = one.until(one.start(), "CREATE")
        step = one.follow(step, 1)
        one.kube.room_at = one.kube.now + 9 * MINUTE  # the lost pod is what fills it
        assert one.finish(step).ok
        assert len(one.kube.made) == 1


class TestWhatIsThere:
    def test_waiting_is_adopted_and_gets_what_it_lacks(self) -> None:
        one = task()
        one.follow(one.start(), 2)
        assert kinds(one) == [CallKind.CREATE_POD]
        outcome = one.finish(one.start())
        assert outcome.ok
        assert outcome.summary.adopted
        assert kinds(one) == WHOLE

    def test_running_is_adopted(self) -> None:
        one = task(Fate(run=300))
        step = one.follow(one.start(), 9)
        assert step.state.runs_since is not None
        assert one.finish(one.start()).ok
        assert len(one.kube.made) == 1

    def test_succeeded_counts_where_nobody_could_say_so(self) -> None:
        one = task()
        one.follow(one.start(), 9)
        one.kube.advance(5 * MINUTE)
        assert one.finish(one.start()).ok
        assert "ATTACHED" in one.notes

    def test_succeeded_before_the_task_was_cleared_does_not_count(self) -> None:
        one = task()
        one.follow(one.start(), 9)
        one.kube.advance(5 * MINUTE)
        outcome = one.finish(one.start(since_try=2))
        assert outcome.summary.attempt == 2
        assert len(one.kube.made) == 2
        assert one.kube.pods == {}

    def test_of_another_program_is_replaced(self) -> None:
        one = task(FOREVER)
        one.follow(one.start(), 9)
        one.run = one.kube.run = run_of(keep_failed_for=None).model_copy(
            update={"app": one.run.app.model_copy(update={"args": ["other"]})}
        )
        assert one.finish(one.start()).ok
        assert one.kube.most_at_work == 1
        assert len(one.kube.made) == 2

    def test_failed_is_followed_by_the_next_number(self) -> None:
        one = task(FAILS, run=run_of(keep_failed_for="1h"))
        assert code_of(one.finish()) == "APP_ERROR"
        assert len(one.kube.pods) == 1
        assert one.finish(one.start()).summary.attempt == 2
        assert [name[-3:] for name in one.kube.made] == ["-a1", "-a2"]

    def test_failed_of_this_very_try_is_its_verdict(self) -> None:
        one = task(FAILS, run=run_of(keep_failed_for="1h"))
        one.finish()
        one.tries -= 1
        assert code_of(one.finish(one.start())) == "APP_ERROR"
        assert len(one.kube.made) == 1

    def test_failed_and_kept_for_long_enough_is_swept(self) -> None:
        one = task(FAILS, run=run_of(keep_failed_for="1h"))
        one.finish()
        one.kube.advance(2 * 60 * MINUTE)
        assert one.finish(one.start()).ok
        assert one.kube.pods == {}

    def test_going_is_waited_for(self) -> None:
        one = task(Fate(run=1e6, grace=60))
        step = one.follow(one.start(), 9)
        one.finish(stop(one.run, step.state, one.kube.now, why="x"))
        assert one.finish(one.start()).ok
        assert one.kube.most_at_work == 1

    def test_going_for_ever_is_loud(self) -> None:
        one = task(Fate(run=1e6, grace=None))
        step = one.follow(one.start(), 9)
        one.finish(stop(one.run, step.state, one.kube.now, why="x"))
        assert code_of(one.finish(one.start())) == "DELETE_STUCK"
        assert len(one.kube.made) == 1

    @pytest.mark.parametrize("mode", MODES)
    def test_of_somebody_else_is_never_touched(self, mode: str) -> None:
        one = task(mode=mode)
        name = names.driver_name(IDENTITY, 1)
        if mode == "direct":
            one.kube.foreign(name)
        else:
            one.kube.foreign("debug-copy-driver", names.labels_of(one.run, IDENTITY, 1))
        outcome = one.finish()
        assert code_of(outcome) == ("FOREIGN_OBJECT" if mode == "direct" else None)
        assert [pod for pod in one.kube.pods.values() if pod.uid.startswith("foreign") and pod.deleting is None]

    def test_of_somebody_else_in_the_configs_place_is_refused(self) -> None:
        one = task()
        one.kube.parts[names.config_name(names.driver_name(IDENTITY, 1))] = Part("uid-1", {"team": "other"})
        assert code_of(one.finish()) == "FOREIGN_OBJECT"
        assert one.kube.most_at_work == 0

    def test_of_an_earlier_pod_in_the_configs_place_is_waited_for(self) -> None:
        one = task()
        own = names.labels_of(one.run, IDENTITY, 1)
        one.kube.parts[names.config_name(names.driver_name(IDENTITY, 1))] = Part("uid-0", own)
        assert one.finish().ok

    def test_a_hundred_times_is_the_end(self) -> None:
        one = task()
        assert code_of(one.finish(one.start(attempt=100))) == "ATTEMPTS_USED_UP"
        assert one.kube.calls == []


def test_a_run_that_has_ended_can_be_stopped_again() -> None:
    one = task()
    ended = one.follow(one.start())
    again = stop(one.run, ended.state, one.kube.now, why="x")
    assert isinstance(again.action, End)
    assert again.action.outcome.ok
    assert again.state.phase is Phase.END
