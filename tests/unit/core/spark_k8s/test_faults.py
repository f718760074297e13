# SPDX-License-Identifier: Apache-2.0
"""What can happen to a driver, and what the API server can answer: each ends with the right verdict, in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.observation import EventView, Look, PodView
from airflow_dataops.core.spark_k8s.state import CallKind
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.core.spark_k8s.performer import Task, code_of, run_of, task
from tests.unit.core.spark_k8s.samples import IDENTITY
from tests.unit.core.spark_k8s.simulator import NOW
from tests.unit.core.spark_k8s.views import died

MINUTE = timedelta(minutes=1)
MODES = ["direct", "crd", "apache"]
FAILS = Fate(exit_code=1, log="Traceback (most recent call last):\n  x\nValueError: no such day\n")
FOREVER = Fate(run=1e6)


def kinds(one: Task) -> list[CallKind]:
    return [call.kind for _, call in one.kube.calls]


def failing(look: Look, error: CallError, times: int = 10_000) -> Callable[[Look], CallError | None]:
    left = iter([error] * times)
    return lambda one: next(left, None) if one is look else None


class TestADriverThatIsGone:
    @pytest.mark.parametrize("mode", MODES)
    def test_is_never_a_success(self, mode: str) -> None:
        one = task(Fate(run=1e6, deleted_at=40, grace=0), mode=mode)
        assert code_of(one.finish()) in ("DRIVER_DELETED", "APP_ERROR")

    def test_is_one_after_its_success_was_seen(self) -> None:
        one = task()
        step = one.until(one.start(), "SUCCEEDED")
        one.kube.pods.clear()
        assert one.finish(step).ok

    def test_is_made_anew_where_the_policy_says_so(self) -> None:
        one = task(Fate(run=1e6, deleted_at=40, grace=0), run=run_of(attempts=2))
        assert one.finish().summary.attempt == 2

    def test_though_another_one_bears_its_name_is_gone(self) -> None:
        one = task(FOREVER)
        step = one.follow(one.start(), 9)
        one.kube.pods[step.state.name].uid = "uid-99"
        assert code_of(one.finish(step)) == "DRIVER_DELETED"
        assert step.state.name in one.kube.pods

    def test_and_returned_0_while_it_was_being_deleted_has_not_succeeded(self) -> None:
        view = PodView(name="x", uid="u", phase="Succeeded", deleting_since=NOW)
        assert view.stage.value == "failed"


class TestADriverThatDoesNotStart:
    @pytest.mark.parametrize(
        ("fate", "code"),
        [
            (Fate(scheduled=False, events=(EventView(reason="FailedScheduling", message="0/3"),)), "UNSCHEDULABLE"),
            (Fate(waiting="CreateContainerConfigError"), "CONFIG_MISSING"),
            (Fate(waiting="ContainerCreating"), "NODE_LOST"),
        ],
    )
    def test_is_told_of_by_its_cause_when_its_time_is_over(self, fate: Fate, code: str) -> None:
        one = task(fate)
        outcome = one.finish()
        assert code_of(outcome) == code
        assert timedelta(minutes=5) <= one.kube.now - NOW <= timedelta(minutes=8)
        assert one.kube.pods == {}

    def test_for_its_image_has_a_grace(self) -> None:
        one = task(Fate(waiting="ImagePullBackOff"))
        assert code_of(one.finish()) == "IMAGE_PULL"
        assert MINUTE <= one.kube.now - NOW <= 3 * MINUTE

    def test_for_its_images_name_has_none(self) -> None:
        one = task(Fate(waiting="InvalidImageName"))
        assert code_of(one.finish()) == "IMAGE_PULL"
        assert one.kube.now - NOW <= MINUTE

    def test_gives_a_hint_at_once_and_only_once(self) -> None:
        one = task(Fate(scheduled=False, events=(EventView(reason="FailedScheduling", message="0/3"),)))
        one.follow(one.start(), 12)
        assert one.notes.count("UNSCHEDULABLE") == 1

    def test_for_a_config_that_was_deleted_gets_it_again(self) -> None:
        one = task(Fate(start=60, events=(EventView(reason="FailedMount", message="configmap not found"),)))
        one.follow(one.start(), 8)
        one.kube.parts.clear()
        assert one.finish(one.start()).ok

    @pytest.mark.parametrize("part", [names.config_name, names.secret_name])
    def test_for_what_the_run_makes_after_it_gives_no_hint(self, part: Callable[[str], str]) -> None:
        own = part(names.driver_name(IDENTITY, 1))
        one = task(Fate(events=(EventView(reason="FailedMount", message=f'"{own}" not found'),)))
        assert one.finish().ok
        assert "CONFIG_MISSING" not in one.notes

    def test_for_what_somebody_else_has_to_make_gives_a_hint(self) -> None:
        one = task(Fate(events=(EventView(reason="FailedMount", message='configmap "theirs" not found'),)))
        assert one.finish().ok
        assert one.notes.count("CONFIG_MISSING") == 1

    def test_for_want_of_an_operator_says_so(self) -> None:
        one = task(mode="crd")
        one.kube.silent = True
        assert code_of(one.finish()) == "OPERATOR_MISSING"
        assert one.kube.applications == {}

    def test_for_its_image_is_told_of_under_an_operator_too(self) -> None:
        assert code_of(task(Fate(waiting="ImagePullBackOff"), mode="crd").finish()) == "IMAGE_PULL"

    def test_for_the_quota_is_waited_for(self) -> None:
        one = task()
        one.kube.room_at = NOW + 2 * MINUTE
        assert one.finish().ok
        assert one.notes.count("QUOTA_EXCEEDED") == 1

    def test_for_the_quota_is_given_up_in_time(self) -> None:
        one = task()
        one.kube.room_at = NOW + 60 * MINUTE
        assert code_of(one.finish()) == "QUOTA_EXCEEDED"
        assert one.kube.now - NOW <= 8 * MINUTE


class TestADriverThatRuns:
    @pytest.mark.parametrize("mode", MODES)
    def test_too_long_is_told_to_go(self, mode: str) -> None:
        one = task(FOREVER, mode=mode)
        assert code_of(one.finish()) == "RUN_TIMEOUT"
        assert one.kube.ours() == []

    def test_is_not_touched_while_nobody_may_look(self) -> None:
        one = task(Fate(run=300))
        step = one.follow(one.start(), 9)
        one.kube.on_read = failing(Look.POD, CallError("FORBIDDEN", "no get"))
        outcome = one.finish(step)
        assert (code_of(outcome), outcome.goes_on) == ("PERMISSION_DENIED", True)
        one.kube.on_read = lambda _: None
        assert one.finish(one.start()).ok
        assert len(one.kube.made) == 1

    @pytest.mark.parametrize("code", ["UNAVAILABLE", "GONE", "TOO_MANY", "LOST", "SERVER", "TIMEOUT"])
    def test_outlives_an_api_server_that_is_down(self, code: str) -> None:
        one = task(Fate(run=200))
        step = one.follow(one.start(), 9)
        one.kube.on_read = failing(Look.POD, CallError(code), 8)
        assert one.finish(step).ok

    def test_tells_of_executors_that_die(self) -> None:
        one = task(Fate(run=100, exit_code=1, executors=(died("e-1"), died("e-2"))))
        assert code_of(one.finish()) == "EXECUTOR_OOM_LOOP"
        assert "EXECUTOR_OOM" in one.notes

    def test_tells_of_executors_that_died_right_before_its_end(self) -> None:
        one = task(Fate(run=0, exit_code=1, executors=(died("e-1"), died("e-2"))))
        assert code_of(one.finish()) == "EXECUTOR_OOM_LOOP"

    def test_is_evicted_and_made_anew_where_the_policy_says_so(self) -> None:
        one = task(Fate(exit_code=137, pod_reason="Evicted"), run=run_of(attempts=2))
        assert one.finish().summary.attempt == 2

    def test_is_kept_for_a_look_where_it_failed(self) -> None:
        one = task(FAILS, run=run_of(keep_failed_for="1h"))
        outcome = one.finish()
        assert outcome.kept_until == one.kube.now + 60 * MINUTE
        assert CallKind.DELETE_POD not in kinds(one)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CallError("UNAUTHORIZED", "Unauthorized"), "UNAUTHORIZED"),
        (CallError("FORBIDDEN", 'User "x" cannot create pods'), "PERMISSION_DENIED"),
        (CallError("FORBIDDEN", "unable to validate against any security context constraint"), "SCC_DENIED"),
        (CallError("INVALID", "spec.containers[0].image: Required value"), "REQUEST_REFUSED"),
        (CallError("NOT_FOUND", 'namespaces "x" not found'), "REQUEST_REFUSED"),
        (CallError("UNAVAILABLE", "503"), "UNREACHABLE"),
        (CallError("TOO_MANY", "429"), "UNREACHABLE"),
    ],
)
def test_a_create_that_is_refused_is_clear(error: CallError, code: str, mode: str) -> None:
    one = task(mode=mode)
    one.kube.perform = lambda call: error  # type: ignore[method-assign]
    outcome = one.finish()
    assert code_of(outcome) == code
    assert outcome.failure is not None
    assert error.message in outcome.failure.message
    assert one.kube.now - NOW <= 8 * MINUTE


class TestAServerThatHasJustStarted:
    """It has not read anybody's roles yet, and says no to all."""

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("before", [[], ["broken", "throttled", "refused"]])
    def test_is_asked_again_for_whatever_is_made(self, mode: str, before: list[str]) -> None:
        one = task(mode=mode)
        fates = {kind: iter([*before, "forbidden", "forbidden"]) for kind in CallKind}
        one.kube.on_call = lambda call: next(fates[call.kind], "ok")
        assert one.finish().ok
        assert len(one.kube.made) == 1

    @pytest.mark.parametrize("first", ["lost", "refused"])
    def test_is_not_believed_where_an_answer_was_lost(self, first: str) -> None:
        one = task()
        fates = iter([first, "forbidden", "forbidden"])
        one.kube.on_call = lambda call: next(fates, "ok") if call.kind is CallKind.CREATE_POD else "ok"
        assert one.finish().ok
        assert len(one.kube.made) == 1

    @pytest.mark.parametrize(("look", "steps"), [(Look.PODS, 0), (Look.POD, 9)])
    def test_is_asked_again_after_an_outage_for_what_is_there(self, look: Look, steps: int) -> None:
        one = task()
        step = one.follow(one.start(), steps)
        errors = iter([CallError("UNAVAILABLE")] * 6 + [CallError("FORBIDDEN", "no")] * 3)
        one.kube.on_read = lambda read: next(errors, None) if read is look else None
        assert one.finish(step).ok
        assert len(one.kube.made) == 1

    @pytest.mark.parametrize("mode", MODES)
    def test_is_believed_within_seconds(self, mode: str) -> None:
        one = task(mode=mode)
        one.kube.on_call = lambda _: "forbidden"
        assert code_of(one.finish()) == "PERMISSION_DENIED"
        assert len(one.kube.calls) == 4
        assert one.kube.now - NOW <= timedelta(seconds=20)


def test_a_kind_that_is_not_installed_is_clear() -> None:
    one = task(mode="crd")
    one.kube.on_read = failing(Look.APPLICATIONS, CallError("NOT_FOUND", "404 page not found"))
    assert code_of(one.finish()) == "OPERATOR_MISSING"


def test_a_kind_that_is_seconds_old_is_waited_for() -> None:
    one = task(mode="crd")
    one.kube.on_read = failing(Look.APPLICATIONS, CallError("NOT_FOUND", "404 page not found"), 2)
    assert one.finish().ok


def test_a_delete_that_is_refused_does_not_unmake_a_success() -> None:
    one = task()
    refuse: dict[CallKind, Any] = {CallKind.DELETE_POD: CallError("FORBIDDEN", "no delete")}
    perform = one.kube.perform
    one.kube.perform = lambda call: refuse.get(call.kind) or perform(call)  # type: ignore[method-assign]
    assert one.finish().ok
    assert "PERMISSION_DENIED" in one.notes


class TestAnOperatorOfApplications:
    def test_that_says_what_is_not_known_does_not_end_a_driver_that_runs(self) -> None:
        one = task(Fate(run=200), mode="crd")
        step = one.follow(one.start(), 9)
        pondering(one)
        outcome = one.finish(step)
        assert code_of(outcome) == "STATE_UNKNOWN"
        assert one.notes.count("STATE_UNKNOWN") == 2  # when the word came, and as the verdict
        assert one.kube.now - NOW >= timedelta(seconds=200) + 4 * MINUTE

    def test_that_says_what_is_not_known_gives_the_run_no_more_than_its_time(self) -> None:
        one = task(FOREVER, mode="apache")
        step = one.follow(one.start(), 9)
        pondering(one)
        assert code_of(one.finish(step)) == "RUN_TIMEOUT"

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ('pods "x" is forbidden: exceeded quota: q', "QUOTA_EXCEEDED"),
            ('serviceaccount "spark" not found', "REQUEST_REFUSED"),
            ("driver pod not found", "DRIVER_DELETED"),
            ("", "DRIVER_DELETED"),
        ],
    )
    def test_that_never_made_a_driver_is_told_in_its_words(self, said: str, code: str) -> None:
        one = task(mode="crd")
        one.kube.silent = True
        step = one.follow(one.start(), 6)
        [application] = one.kube.applications.values()
        application.word, application.message = "FAILED", said
        outcome = one.finish(step)
        assert code_of(outcome) == code
        assert outcome.failure is not None
        assert said in outcome.failure.message


def pondering(one: Any) -> None:
    """Let the operator say a word that nobody knows, and no more."""
    one.kube._operate = lambda application: setattr(application, "word", "PONDERING")


@pytest.mark.parametrize("mode", ["crd", "apache"])
def test_a_secret_that_an_earlier_application_takes_along_is_made_again_until_it_stays(mode: str) -> None:
    one = task(Fate(waiting="CreateContainerConfigError"), mode=mode)
    assert code_of(one.finish()) == "CONFIG_MISSING"
    asked = [at for at, call in one.kube.calls if call.kind is CallKind.CREATE_SECRET]
    assert len(asked) > 10
    assert all(later - earlier >= timedelta(seconds=5) for earlier, later in pairwise(asked))
