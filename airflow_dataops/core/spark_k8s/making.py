# SPDX-License-Identifier: Apache-2.0
"""From nothing to a driver that may start: created once, checked to be alone, then given what it waits for.

A driver pod names its ConfigMap, so it does not start before that is there, and only who has looked creates it: of two processes that
create drivers of one run at the same time, the second one to create sees the other's pod in the list, and gives way.
"""

from __future__ import annotations

from airflow_dataops.core.machine import SETTLE, CallError, Gone
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.answers import Answer, answer_of
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.failures import Failure, Reason, failure
from airflow_dataops.core.spark_k8s.finding import others_alive, parts_of, try_of
from airflow_dataops.core.spark_k8s.observation import ApplicationView, Driver, Look, PodView
from airflow_dataops.core.spark_k8s.state import CallKind, Doomed, Phase
from airflow_dataops.core.spark_k8s.turn import Next, Step, Turn

_MOST_YIELDS = 3
_NAMES = {
    CallKind.CREATE_CONFIG: names.config_name,
    CallKind.CREATE_SECRET: names.secret_name,
    CallKind.CREATE_SERVICE: names.service_name,
}


def create(turn: Turn) -> Next:
    """Ask for a driver until somebody says that it is there."""
    seen, state = turn.seen, turn.state
    if isinstance(seen.reply, PodView | ApplicationView):
        return _made(turn, seen.reply)
    if isinstance(seen.reply, CallError):
        return _refused(turn, seen.reply)
    read = seen.pod if state.direct else seen.application
    if read is not None:
        return _met(turn, read)
    if state.asked_at is None or not state.unsure:
        turn.set(asked_at=turn.now, unsure=True, doubtful=False, errors=0, why=None, made=state.made + 1)
        turn.note("CREATE", f"asking for driver {state.name}")
    return _send(turn)


def check(turn: Turn) -> Next:
    """See whether the driver that was made is the only one of the run."""
    read = turn.seen.pods
    if isinstance(read, CallError):
        return _late(turn, turn.refused(read, "list the run's drivers")) or turn.again(Look.PODS)
    if read is None:
        return turn.look(Look.PODS)
    if turn.state.uid not in {view.uid for view in read}:
        turn.set(lost=True)
        return Phase.JUDGE
    others = others_alive(turn, read)
    if not others:
        turn.set(to_make=parts_of(turn), errors=0)
        return Phase.FURNISH
    if all(view.deleting for view in others):
        return _late(turn, _stuck(others)) or turn.poll(Look.PODS)
    return _yield(turn, others)


def furnish(turn: Turn) -> Next:
    """Give the driver what it waits for."""
    seen, state = turn.seen, turn.state
    if not state.to_make:
        return Phase.WATCH
    kind = state.to_make[0]
    if seen.config is not None:
        return _config(turn)
    if isinstance(seen.reply, CallError):
        return _unfurnished(turn, kind, seen.reply)
    if seen.reply is not None:
        turn.set(to_make=state.to_make[1:], errors=0)
        if not turn.state.to_make:
            return Phase.WATCH
        kind = turn.state.to_make[0]
    return turn.call(kind, _NAMES[kind](state.name), uid=state.uid)


def _send(turn: Turn) -> Step:
    return turn.call(CallKind.CREATE_POD if turn.state.direct else CallKind.CREATE_APPLICATION, turn.state.name)


def _made(turn: Turn, view: Driver) -> Next:
    turn.use(view, adopted=False)
    turn.note("CREATED", f"driver {view.name} is there")
    return _after(turn)


def _after(turn: Turn) -> Phase:
    if turn.state.direct:
        return Phase.CHECK
    turn.set(to_make=parts_of(turn))
    return Phase.FURNISH


def _refused(turn: Turn, error: CallError) -> Next:
    state, what = turn.state, f"create driver {turn.state.name}"
    if error.code == "CONFLICT":
        return turn.look(_own_look(turn))
    answer = answer_of(error)
    if answer is Answer.LATER and error.code != "TOO_MANY":
        turn.set(doubtful=True, doubt_until=turn.now + SETTLE)
    if answer in (Answer.LATER, Answer.SOON) and turn.bears(error):
        return _late(turn, turn.refused(error, what)) or turn.again(resend=True)
    if state.doubtful:
        turn.set(why=turn.refused(error, what))
        return turn.look(
            _own_look(turn)
        )  # an earlier request may have made it: it fills the quota that refuses this one
    return _no(turn, error)


def _no(turn: Turn, error: CallError) -> Next:
    """Go on after an answer that made nothing."""
    state, found = turn.state, turn.refused(error, f"create driver {turn.state.name}")
    if answer_of(error) is Answer.ROOM:
        turn.hint(found)
        return _late(turn, found) or turn.again(resend=True)
    fresh_kind = error.code == "NOT_FOUND" and not state.direct
    if fresh_kind and turn.bears(error):
        return turn.again(resend=True)
    turn.set(unsure=False)
    if fresh_kind and "namespace" not in error.message:
        found = failure(Reason.OPERATOR_MISSING, f"the API server has no SparkApplications: {error.message}")
    return turn.settle(found)


def _met(turn: Turn, read: Driver | Gone | CallError) -> Next:
    """Decide on what bears our driver's name."""
    state = turn.state
    if isinstance(read, CallError):
        return _late(turn, turn.refused(read, f"look at {state.name}")) or turn.again(_own_look(turn))
    if isinstance(read, Gone):
        why = state.why
        if why is None or why.retryable:
            return _late(turn, why) or turn.again(resend=True)
        turn.set(unsure=True)  # a lost request may still come true: the clean-up waits for it
        return turn.settle(why)
    if not turn.is_ours(read):
        turn.set(unsure=False)
        return turn.settle(_foreign(read.name))
    mine = try_of(read) == state.try_number
    failed_before = read.stage is Stage.FAILED and not mine
    if read.labels.get(names.SPEC) != state.spec or read.deleting or failed_before:
        turn.set(unsure=False, attempt=0)
        return Phase.FIND
    turn.note("ADOPTED", f"driver {read.name} is there already")
    turn.use(read, adopted=not mine)
    return _after(turn) if read.stage is Stage.WAITS else Phase.WATCH


def _yield(turn: Turn, others: list[PodView]) -> Next:
    """Give way to a driver that was there first: ours has not started."""
    state = turn.state
    turn.note("YIELDED", f"driver {others[0].name} is there too; {state.name} is deleted before it starts")
    doomed = Doomed(kind=CallKind.DELETE_POD, name=state.name, uid=state.uid, runs=False)
    turn.set(doomed=state.with_doomed(doomed), uid="", pod=None, yields=state.yields + 1, asked_at=None)
    turn.set(attempt=0, floor=min(state.attempt + 1, names.MOST_ATTEMPTS))
    if turn.state.yields >= _MOST_YIELDS:
        return turn.settle(failure(Reason.SUPERSEDED, f"driver {others[0].name} is at work for another process"))
    turn.set(after=Phase.FIND)
    return Phase.DROP


def _config(turn: Turn) -> Next:
    """Decide on the ConfigMap that was there before ours."""
    read, state = turn.seen.config, turn.state
    name = names.config_name(state.name)
    # Where Airflow's account may create ConfigMaps and not read them, the name has to do: it is of this run and this driver.
    hidden = isinstance(read, CallError) and (read.code == "FORBIDDEN" or answer_of(read) is Answer.NEVER)
    if not hidden:
        if read is None or isinstance(read, CallError | Gone):
            return _late(turn, None) or turn.again(resend=True)
        if not names.owns(read.labels, state.own):
            return turn.settle(_foreign(name))
        if read.owner and read.owner != state.uid:
            return _late(turn, None) or turn.again(resend=True)  # an earlier driver's; it is about to be collected
    turn.set(to_make=state.to_make[1:], errors=0)
    return Phase.FURNISH


def _unfurnished(turn: Turn, kind: CallKind, error: CallError) -> Next:
    what = f"{kind.value.replace('_', ' ')} {_NAMES[kind](turn.state.name)}"
    if error.code == "CONFLICT":
        if kind is CallKind.CREATE_CONFIG:
            return turn.look(Look.CONFIG)
        turn.set(to_make=turn.state.to_make[1:], errors=0)
        return Phase.FURNISH
    found = turn.refused(error, what)
    answer = answer_of(error)
    if answer is Answer.NEVER or (answer is not Answer.ROOM and not turn.bears(error)):
        return turn.settle(found)
    return _late(turn, found) or turn.again(resend=True)


def _late(turn: Turn, why: Failure | None) -> Next | None:
    """Give up where the time to come to a driver is over; None where it is not."""
    state = turn.state
    since = state.asked_at or state.waits_since or turn.now
    if turn.now - since < turn.policy.start_timeout:
        return None
    turn.set(unsure=state.unsure and state.doubtful)
    found = why or state.why or failure(Reason.UNREACHABLE, f"could not make driver {state.name} in time")
    return turn.settle(found)


def _stuck(others: list[PodView]) -> Failure:
    listed = ", ".join(view.name for view in others)
    return failure(Reason.DELETE_STUCK, f"{listed}: told to go, and still there")


def _foreign(name: str) -> Failure:
    return failure(
        Reason.FOREIGN_OBJECT, f"there is an object {name!r}, and this run did not make it; it is left alone"
    )


def _own_look(turn: Turn) -> Look:
    return Look.POD if turn.state.direct else Look.APPLICATION
