# SPDX-License-Identifier: Apache-2.0
"""From no cluster to one that runs: one request an attempt, a new generation after each failure, the next zone after a stock-out."""

from __future__ import annotations

from datetime import timedelta

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.diagnosis import Failure, Reason, Remedy, diagnose_create, is_transient
from airflow_dataops.core.dataproc_dask.finding import take_over
from airflow_dataops.core.dataproc_dask.observation import CLUSTER_COMES, CLUSTER_RUNS, ClusterView, Look, OperationView
from airflow_dataops.core.dataproc_dask.request import create_request
from airflow_dataops.core.dataproc_dask.state import Goal, Life, Phase
from airflow_dataops.core.dataproc_dask.turn import CallKind, Next, Step, Turn
from airflow_dataops.core.durations import told
from airflow_dataops.core.machine import CallError, Gone, backoff

DASHBOARD = "/gateway/default/dask/status"  # the route that resources/dataproc/dask_init.sh gives it
_CLOCKS = timedelta(minutes=2)  # how far Google's clock and ours may differ


def ask(turn: Turn) -> Next:
    """Wait for the moment, then ask for a cluster."""
    state, run = turn.state, turn.run
    if state.not_before is not None and turn.now < state.not_before:
        return turn.look(delay=state.not_before - turn.now)
    if state.generation > names.MOST_GENERATIONS or turn.now >= state.make_until:
        return turn.settle(state.failure or _deadline(turn))
    zones = run.cluster.zones
    turn.set(
        phase=Phase.MAKE,
        asked_at=turn.now,
        unsure=True,
        doubtful=False,
        old_answer=False,
        uuid="",
        cluster="",
        operation="",
        attempts=state.attempts + 1,
        errors=0,
        not_before=None,
        expires_at=None,
        lives=(*state.lives, Life(name=turn.name, asked_at=turn.now)),
    )
    where = f" in {zones[state.zone % len(zones)]}" if zones else ""
    turn.note(
        "CREATE", f"asking for cluster {turn.name}{where}, attempt {turn.state.attempts} of {run.policy.attempts}"
    )
    return _send(turn)


def make(turn: Turn) -> Next:
    """Follow a cluster from its request until it runs."""
    seen, state = turn.seen, turn.state
    if seen.reply is not None:
        return _answered(
            turn, seen.reply if isinstance(seen.reply, CallError | OperationView) else CallError("UNKNOWN")
        )
    if seen.operation is not None:
        return _operation(turn, seen.operation)
    if seen.cluster is not None:
        return _cluster(turn, seen.cluster)
    if state.resend:
        return _send(turn)
    return turn.look(Look.OPERATION if state.operation else Look.CLUSTER)


def _send(turn: Turn) -> Step:
    state, run = turn.state, turn.run
    zones = run.cluster.zones
    labels = state.own | {names.TRY: f"n{state.try_number}"}
    zone = zones[state.zone % len(zones)] if zones else None
    # A repetition is the same to the last letter, with the moment of the first one in its labels.
    sent = state.asked_at or turn.now
    request = create_request(run, base=state.base, generation=state.generation, zone=zone, labels=labels, now=sent)
    return turn.call(CallKind.CREATE, request)


def _answered(turn: Turn, reply: CallError | OperationView) -> Next:
    if isinstance(reply, OperationView):
        before = (
            reply.started_at is not None
            and turn.state.asked_at is not None
            and reply.started_at < turn.state.asked_at - _CLOCKS
        )
        turn.set(operation=reply.name, errors=0, old_answer=before or (reply.done and reply.error is None))
        _know(turn, reply.cluster_uuid)
        return _operation(turn, reply)
    if reply.code == "ALREADY_EXISTS":
        turn.set(doubtful=True)
        return turn.look(Look.CLUSTER)
    if is_transient(reply):
        turn.set(doubtful=True)
        return _late(turn) or turn.again(resend=True)
    turn.set(unsure=turn.state.doubtful)
    return _failed(turn, *diagnose_create(reply))


def _operation(turn: Turn, read: OperationView | Gone | CallError) -> Next:
    if isinstance(read, CallError) and is_transient(read):
        return _late(turn) or turn.again(Look.OPERATION)
    if isinstance(read, Gone | CallError):
        turn.set(operation="")
        return turn.look(Look.CLUSTER)
    _know(turn, read.cluster_uuid)
    if not read.done:
        return _late(turn) or turn.poll(Look.OPERATION)
    if read.error is not None and not turn.state.old_answer:
        return _failed(turn, *diagnose_create(read.error))
    turn.set(operation="")
    return turn.look(Look.CLUSTER)


def _cluster(turn: Turn, read: ClusterView | Gone | CallError) -> Next:
    if isinstance(read, CallError) and is_transient(read):
        return _late(turn) or turn.again(Look.CLUSTER)
    if isinstance(read, Gone | CallError):
        return _vanished(turn) if isinstance(read, Gone) else _failed(turn, *diagnose_create(read))
    if not turn.is_ours(read) and read.uuid != turn.state.uuid:
        turn.set(unsure=False, uuid="")
        return turn.settle(_foreign(turn, read))
    if read.uuid and read.uuid != turn.state.uuid:
        take_over(turn, read)
    if read.labels.get(names.SPEC) != turn.state.cluster_hash or read.state == "DELETING":
        turn.note("REPLACED", f"cluster {read.name} is {read.state} and not what is wanted; the next one follows")
        return _lost(turn, gone=False)
    if read.state in CLUSTER_RUNS and read.uuid:
        return _ready(turn, read)
    if read.state in CLUSTER_COMES or read.state == "UNKNOWN" or not read.uuid:
        return _late(turn) or turn.poll(Look.OPERATION if turn.state.operation else Look.CLUSTER)
    return _failed(turn, *_broken(read))


def _ready(turn: Turn, view: ClusterView) -> Next:
    dashboard = f"{view.gateway}{DASHBOARD}" if view.gateway else ""
    ready = {"ready_at": turn.now, "dashboard": dashboard}
    lives = tuple(
        life.model_copy(update=ready) if life.uuid == view.uuid and life.ready_at is None else life
        for life in turn.alive(view.uuid)
    )
    turn.set(lives=lives, expires_at=names.moment_of(view.labels.get(names.EXPIRES)), errors=0, failure=None)
    turn.note("READY", f"cluster {view.name} runs" + (f"; Dask's dashboard: {dashboard}" if dashboard else ""))
    return turn.settle() if turn.state.goal is Goal.CLUSTER else Phase.SUBMIT


def _vanished(turn: Turn) -> Next:
    if turn.state.old_answer:
        turn.note(
            "STALE_REQUEST", f"Google answered for an earlier cluster {turn.name}, which is gone; the next one follows"
        )
        return _next_generation(turn, counted=False)
    return _lost(turn, gone=True)


def _lost(turn: Turn, *, gone: bool) -> Next:
    """Go on after a cluster was taken away while it was made: once."""
    state = turn.state
    if gone:
        turn.set(lives=state.closed(state.uuid, turn.now), unsure=False, uuid="")
    if state.losses:
        message = f"cluster {turn.name} was deleted while it was being made, and not by this run"
        hint = "find out who deletes it: the audit log of dataproc.clusters.delete"
        return turn.settle(Failure(code=Reason.CLUSTER_LOST, message=message, hint=hint, retryable=True))
    turn.set(losses=state.losses + 1)
    turn.note("RECREATE", f"cluster {turn.name} is gone; another one is made")
    return _next_generation(turn, counted=False)


def _failed(turn: Turn, failure: Failure, remedy: Remedy) -> Next:
    """Go on after an attempt failed: the cluster goes, and another one is asked for where that may help."""
    state, policy = turn.state, turn.run.policy
    turn.set(failure=failure)
    if remedy is Remedy.GIVE_UP or state.attempts >= policy.attempts:
        return turn.settle(failure)
    wrapped = (state.zone + 1) % max(1, len(turn.run.cluster.zones)) == 0
    pause = timedelta()
    if remedy is Remedy.WAIT_FOR_QUOTA:
        pause = backoff(state.attempts, policy.quota_backoff, 10 * policy.quota_backoff, turn.jitter)
    elif remedy is Remedy.LATER or wrapped:
        pause = backoff(state.attempts, policy.backoff, policy.backoff_limit, turn.jitter)
    if turn.now + pause >= state.make_until:
        return turn.settle(failure)
    turn.note(failure.code, f"{failure.message}; trying again in {told(pause)}")
    turn.set(not_before=turn.now + pause, zone=state.zone + (remedy is Remedy.NEXT_ZONE))
    return _next_generation(turn, counted=True)


def _next_generation(turn: Turn, *, counted: bool) -> Next:
    state = turn.state
    doomed = state.with_doomed(turn.own_cluster)
    attempts = state.attempts if counted else max(0, state.attempts - 1)
    if state.unsure and not state.uuid and not state.old_answer:
        # Nobody has said what became of the request: list before another one is sent.
        turn.set(attempts=attempts, asked_at=None)
        return Phase.FIND
    after = Phase.ASK
    turn.set(
        doomed=doomed,
        after=after,
        attempts=attempts,
        generation=state.generation + 1,
        uuid="",
        operation="",
        unsure=False,
    )
    return Phase.DROP if doomed else after


def _late(turn: Turn) -> Next | None:
    limit, asked = turn.run.policy.deadlines.create, turn.state.asked_at
    if asked is None or turn.now - asked < limit:
        return None
    message = f"cluster {turn.name} does not run after {told(limit)}"
    hint = "give policy.deadlines.create more time, or look at the cluster's operation in the console"
    failure = Failure(code=Reason.CREATE_TIMEOUT, message=message, hint=hint, retryable=True)
    return _failed(turn, failure, Remedy.NEXT_ZONE)


def _know(turn: Turn, uuid: str) -> None:
    if uuid and not turn.state.old_answer:
        turn.set(lives=turn.alive(uuid))
        turn.set(uuid=uuid, unsure=False)


def _broken(view: ClusterView) -> tuple[Failure, Remedy]:
    failure, remedy = diagnose_create(CallError("UNKNOWN", view.detail or f"cluster {view.name} is {view.state}"))
    if failure.code is Reason.CREATE_FAILED:
        failure = failure.model_copy(update={"code": Reason.CLUSTER_ERROR})
    return failure, remedy


def _foreign(turn: Turn, view: ClusterView) -> Failure:
    message = (
        f"there is a cluster {view.name!r} in {turn.run.cluster.region}, and this run did not make it; it is left alone"
    )
    hint = "delete or rename it yourself, or give this Airflow another instance name"
    return Failure(code=Reason.FOREIGN_CLUSTER, message=message, hint=hint)


def _deadline(turn: Turn) -> Failure:
    message = f"no cluster of {turn.state.base!r} runs, and there is no time left for another attempt"
    return Failure(
        code=Reason.DEADLINE, message=message, hint="run again, or give policy.deadlines more time", retryable=True
    )
