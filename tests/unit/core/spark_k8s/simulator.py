# SPDX-License-Identifier: Apache-2.0
"""An API server in memory, with a clock of its own: it keeps pods, SparkApplications and ConfigMaps, and does to each what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_dataops.core.machine import Accepted, CallError, Gone
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.application_state import OVER
from airflow_dataops.core.spark_k8s.observation import (
    APP_ID,
    DRIVER_CONTAINER,
    ApplicationView,
    ConditionView,
    ContainerView,
    Look,
    ObjectView,
    Observation,
    PodView,
    Reply,
)
from airflow_dataops.core.spark_k8s.spec import ApplicationApi, RunParts
from airflow_dataops.core.spark_k8s.state import CallKind, State
from airflow_dataops.core.spark_k8s.turn import Call
from tests.unit.core.spark_k8s.fates import Fate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EXISTS = CallError("CONFLICT", 'pods "x" already exists')
QUOTA = CallError(
    "FORBIDDEN", 'pods "x" is forbidden: exceeded quota: q, requested: cpu=1, used: cpu=4, limited: cpu=4'
)
PARTS = {
    CallKind.CREATE_CONFIG: names.config_name,
    CallKind.CREATE_SECRET: names.secret_name,
    CallKind.CREATE_SERVICE: names.service_name,
}


@dataclass
class Pod:
    name: str
    uid: str
    labels: dict[str, str]
    fate: Fate
    made: datetime
    application: str = ""
    ready: datetime | None = None
    began: datetime | None = None
    over: datetime | None = None
    exit_code: int | None = None
    deleting: datetime | None = None

    @property
    def works(self) -> bool:
        """True while its program runs."""
        return self.began is not None and self.over is None


@dataclass
class Application:
    name: str
    uid: str
    labels: dict[str, str]
    fate: Fate
    made: datetime
    silent: bool = False
    message: str = ""
    pod: str = ""
    word: str = ""
    words: list[str] = field(default_factory=list)


@dataclass
class Part:
    owner: str
    labels: dict[str, str]
    orphaned: datetime | None = None


@dataclass
class Kube:
    """The API server, as far as the machine can see it."""

    run: RunParts
    now: datetime = NOW
    pods: dict[str, Pod] = field(default_factory=dict)
    applications: dict[str, Application] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    calls: list[tuple[datetime, Call]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    late: list[tuple[datetime, Call]] = field(default_factory=list)
    most_at_work: int = 0
    fates: Iterator[Fate] = field(default_factory=lambda: iter(()))
    room_at: datetime = NOW
    silent: bool = False
    on_call: Callable[[Call], str] = lambda _: "ok"
    on_read: Callable[[Look], CallError | None] = lambda _: None
    identity: Any = None
    uids: int = 0

    def foreign(self, name: str, labels: dict[str, str] | None = None) -> str:
        """Put a pod there that somebody else made."""
        self.pods[name] = Pod(name, f"foreign-{name}", labels or {"team": "other"}, Fate(run=1e9), self.now)
        return f"foreign-{name}"

    def advance(self, length: timedelta) -> None:
        """Let time pass, second by second where something is to happen."""
        until = self.now + length
        while self.now < until:
            self.now = min(until, self.now + timedelta(seconds=5))
            due = [call for at, call in self.late if at <= self.now]
            self.late = [(at, call) for at, call in self.late if at > self.now]
            for call in due:
                self._commit(call)
            self._tick()

    def perform(self, call: Call) -> Reply:
        """Take a request; what the network does to it is the test's affair."""
        self.calls.append((self.now, call))
        fate = self.on_call(call)
        if fate == "throttled":
            return CallError("TOO_MANY", "try again later")
        if fate == "refused":
            return CallError("UNAVAILABLE", "503")
        if fate == "forbidden":
            return CallError("FORBIDDEN", 'User "x" cannot do that')
        if fate == "broken":
            return CallError("SERVER", "etcdserver: request timed out")
        if fate == "late":
            self.late.append((self.now + timedelta(seconds=20), call))
            return CallError("TIMEOUT", "no answer in time")
        answer = self._commit(call)
        return CallError("LOST", "connection reset") if fate == "lost" else answer

    def observe(self, state: State, looks: frozenset[Look], reply: Reply | None = None) -> Observation:
        """Answer all reads."""
        found: dict[str, Any] = {look.value: self.on_read(look) or self._read(look, state) for look in sorted(looks)}
        return Observation(reply=reply, **found)

    def count(self, kind: CallKind) -> int:
        return sum(call.kind is kind for _, call in self.calls)

    def ours(self) -> list[Pod]:
        return [pod for pod in self.pods.values() if not pod.uid.startswith("foreign")]

    def _commit(self, call: Call) -> Reply:
        if call.kind is CallKind.CREATE_POD:
            return self._create_pod(call)
        if call.kind is CallKind.CREATE_APPLICATION:
            return self._create_application(call)
        if call.kind is CallKind.DELETE_POD:
            return self._delete_pod(call)
        if call.kind is CallKind.DELETE_APPLICATION:
            return self._delete_application(call)
        if call.name in self.parts:
            return EXISTS
        self.parts[call.name] = Part(call.uid, names.labels_of(self.run, self.identity, call.attempt))
        return Accepted()

    def _uid(self) -> str:
        self.uids += 1
        return f"uid-{self.uids}"

    def _labels(self, call: Call) -> dict[str, str]:
        own = names.labels_of(self.run, self.identity, call.attempt)
        return {**own, names.ROLE: names.DRIVER, **dict(call.labels)}

    def _create_pod(self, call: Call) -> Reply:
        if self.now < self.room_at:
            return QUOTA  # admission comes before the look for the name
        if call.name in self.pods:
            return EXISTS
        pod = Pod(call.name, self._uid(), self._labels(call), next(self.fates, Fate()), self.now)
        self.pods[call.name] = pod
        self.made.append(call.name)
        return self.view(pod)

    def _create_application(self, call: Call) -> Reply:
        if call.name in self.applications:
            return EXISTS
        fate = next(self.fates, Fate())
        self.applications[call.name] = Application(
            call.name, self._uid(), self._labels(call), fate, self.now, self.silent
        )
        self.made.append(call.name)
        return self.application_view(self.applications[call.name])

    def _delete_pod(self, call: Call) -> Reply:
        pod = self.pods.get(call.name)
        if pod is None:
            return CallError("NOT_FOUND", "no such pod")
        if pod.uid != call.uid:
            return CallError("CONFLICT", "the UID in the precondition does not match")
        self.deleted.append(pod.uid)
        self.remove(pod)
        return Accepted()

    def _delete_application(self, call: Call) -> Reply:
        found = self.applications.get(call.name)
        if found is None:
            return CallError("NOT_FOUND", "no such application")
        if found.uid != call.uid:
            return CallError("CONFLICT", "the UID in the precondition does not match")
        self.deleted.append(found.uid)
        del self.applications[call.name]
        if found.pod in self.pods:
            self.remove(self.pods[found.pod])
        return Accepted()

    def remove(self, pod: Pod) -> None:
        """Delete a pod: at once where its program has ended, else after its grace."""
        if pod.over is not None and not pod.fate.sidecar:
            del self.pods[pod.name]
        else:
            pod.deleting = pod.deleting or self.now

    def _tick(self) -> None:
        for pod in list(self.pods.values()):
            if not pod.uid.startswith("foreign"):
                self._go_on(pod)
        for application in self.applications.values():
            self._operate(application)
        uids = {pod.uid for pod in self.pods.values()} | {one.uid for one in self.applications.values()}
        for name, part in list(self.parts.items()):
            if part.owner in uids:
                continue
            part.orphaned = part.orphaned or self.now
            if self.now - part.orphaned >= timedelta(seconds=10):
                del self.parts[name]
        self.most_at_work = max(self.most_at_work, sum(pod.works for pod in self.ours()))

    def _go_on(self, pod: Pod) -> None:
        fate, age = pod.fate, (self.now - pod.made).total_seconds()
        if fate.deleted_at is not None and age >= fate.deleted_at:
            self.remove(pod)
            fate.deleted_at = None
            if pod.name not in self.pods:
                return
        if pod.deleting is not None:
            if fate.grace is not None and (self.now - pod.deleting).total_seconds() >= fate.grace:
                del self.pods[pod.name]
            return
        if pod.ready is None and (pod.application or self._has_all(pod)):
            pod.ready = self.now
        if fate.waiting or fate.start is None or not fate.scheduled or pod.ready is None:
            return
        if pod.began is None and (self.now - pod.ready).total_seconds() >= fate.start:
            pod.began = self.now
        elif pod.works and pod.began is not None and (self.now - pod.began).total_seconds() >= fate.run:
            pod.over, pod.exit_code = self.now, fate.exit_code

    def _has_all(self, pod: Pod) -> bool:
        part = self.parts.get(names.config_name(pod.name))
        return part is not None and part.owner == pod.uid

    def _operate(self, one: Application) -> None:
        if one.silent:
            return
        if self.run.target.application_api is ApplicationApi.APACHE:
            self._operate_as_apache(one)
            return
        if not one.word:
            if f"{one.name}-driver" in self.pods:
                return  # the name is taken until an earlier pod is gone
            one.word = "SUBMITTED"
            one.pod = f"{one.name}-driver"
            self.pods[one.pod] = Pod(one.pod, self._uid(), dict(one.labels), one.fate, self.now, one.name)
            return
        pod = self.pods.get(one.pod)
        if pod is None:
            one.word = "FAILED" if one.word not in ("COMPLETED", "FAILED") else one.word
        elif pod.over is not None:
            one.word = "COMPLETED" if pod.exit_code == 0 else "FAILED"
        elif pod.began is not None:
            one.word = "RUNNING"

    def _operate_as_apache(self, one: Application) -> None:
        """Do as Apache's operator: it cuts the name, tells of no pod, and says of a run that it has failed before it is over."""
        cut, pod = f"{one.name[:9]}-{one.uid}-0-driver", self.pods.get(one.pod)
        word = one.word
        if not word:
            if cut in self.pods:
                return
            word, one.pod = "DriverRequested", cut
            self.pods[cut] = Pod(cut, self._uid(), dict(one.labels), one.fate, self.now, one.name)
        elif word in ("Succeeded", "Failed"):
            word = "TerminatedWithoutReleaseResources"
        elif word not in OVER and (pod is None or pod.over is not None):
            word = "Succeeded" if pod is not None and pod.exit_code == 0 else "Failed"
        elif word not in OVER and pod is not None and pod.began is not None:
            word = "RunningHealthy"
        if word != one.word:
            one.word = word
            one.words.append(word)

    def _read(self, look: Look, state: State) -> Any:
        pod = self.pods.get(state.pod_name)
        if look is Look.PODS:
            return tuple(self.view(one) for one in self.pods.values() if names.owns(one.labels, state.own))
        if look is Look.APPLICATIONS:
            found = (one for one in self.applications.values() if names.owns(one.labels, state.own))
            return tuple(self.application_view(one) for one in found)
        if look is Look.POD:
            return Gone() if pod is None else self.view(pod)
        if look is Look.APPLICATION:
            one = self.applications.get(state.name)
            return Gone() if one is None else self.application_view(one)
        if look is Look.CONFIG:
            name = names.config_name(state.name)
            part = self.parts.get(name)
            return Gone() if part is None else ObjectView(name, f"c-{name}", part.labels, part.owner)
        if look is Look.EVENTS:
            return () if pod is None else pod.fate.events
        if look is Look.EXECUTORS:
            return () if pod is None else pod.fate.executors
        return Gone() if pod is None or pod.began is None else pod.fate.log

    def view(self, pod: Pod) -> PodView:
        """Return a pod as it is shown."""
        fate, ended = pod.fate, pod.over is not None
        state = "terminated" if ended else "running" if pod.began else "waiting" if fate.scheduled else ""
        box = ContainerView(
            name=DRIVER_CONTAINER,
            state=state,
            reason=fate.reason if ended else fate.waiting if state == "waiting" else "",
            exit_code=pod.exit_code,
            message=fate.said(pod.exit_code) if ended else "",
            started_at=pod.began,
            finished_at=pod.over,
        )
        sidecar = ContainerView(name="proxy", state="running" if pod.began else "waiting")
        over = "Running" if fate.sidecar else "Succeeded" if pod.exit_code == 0 else "Failed"
        return PodView(
            name=pod.name,
            uid=pod.uid,
            labels={**pod.labels, APP_ID: pod.name},
            owner=pod.application,
            phase=over if ended else "Running" if pod.began else "Pending",
            reason=fate.pod_reason if ended else "",
            node="node-1" if fate.scheduled else "",
            created_at=pod.made,
            deleting_since=pod.deleting,
            containers=(box, sidecar) if fate.sidecar else (box,),
            conditions=(ConditionView(type="DisruptionTarget", reason=fate.condition),)
            if ended and fate.condition
            else (),
        )

    def application_view(self, one: Application) -> ApplicationView:
        """Return a SparkApplication as it is shown."""
        return ApplicationView(
            name=one.name,
            uid=one.uid,
            labels=one.labels,
            state=one.word,
            message=one.message,
            history=tuple(one.words),
            driver_pod="" if one.words else one.pod,
            app_id="" if one.words else f"spark-{one.uid}",
            created_at=one.made,
        )
