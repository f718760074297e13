# SPDX-License-Identifier: Apache-2.0
"""What the machine sees: answers to its calls, and what it asked to look at. A client fills these in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import AwareDatetime

from airflow_dataops.core.machine import Accepted, CallError, Gone
from airflow_dataops.core.model import Model
from airflow_dataops.core.spark_k8s.application_state import Stage, stage_of

DRIVER_CONTAINER = "spark-kubernetes-driver"
APP_ID = "spark-app-selector"  # the label in which Spark tells an application's id


class Look(StrEnum):
    """Something to look at before the next decision."""

    PODS = "pods"  # list of the driver pods with the run's labels
    POD = "pod"  # the driver pod by its name
    APPLICATIONS = "applications"  # list of the SparkApplications with the run's labels
    APPLICATION = "application"  # the SparkApplication by its name
    CONFIG = "config"  # the driver's ConfigMap by its name
    EVENTS = "events"  # events of the driver pod
    EXECUTORS = "executors"  # list of the executor pods, with the last lines of those that died
    LOG_TAIL = "log_tail"  # end of the driver's log


class ContainerView(Model):
    """A container of a pod.

    Attributes:
        name: Its name.
        state: ``waiting``, ``running``, ``terminated``; empty where the node has said nothing yet.
        reason: The state's reason: ``OOMKilled``.
        message: The state's message; of an ended driver what it wrote as its termination message.
        exit_code: Exit code of an ended one.
        signal: Signal that ended it; None where it is not said.
        restarts: How often it was started again.
        last_reason: Reason of the end before its last restart.
        last_exit_code: Exit code of that.
        started_at: When it began to run.
        finished_at: When it ended.
    """

    name: str
    state: str = ""
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    restarts: int = 0
    last_reason: str = ""
    last_exit_code: int | None = None
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None


class ConditionView(Model):
    """A condition of a pod."""

    type: str
    status: str = "True"
    reason: str = ""
    message: str = ""


class PodView(Model):
    """A pod as Kubernetes shows it.

    Attributes:
        name: Its name.
        uid: Its UID.
        labels: Its labels.
        owner: Name of the SparkApplication that it belongs to; empty where it belongs to none.
        phase: ``Pending``, ``Running``, ``Succeeded``, ``Failed``, ``Unknown``.
        reason: ``status.reason``: ``Evicted``.
        message: ``status.message``.
        node: Where it was placed; empty while it was not.
        created_at: When it was made.
        deleting_since: When its deletion was asked for (``deletionTimestamp`` less ``deletionGracePeriodSeconds``); None while it was not.
        containers: Its containers, without the init containers.
        init_containers: Its init containers.
        conditions: Its conditions.
    """

    name: str
    uid: str
    labels: dict[str, str] = {}
    owner: str = ""
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    node: str = ""
    created_at: AwareDatetime | None = None
    deleting_since: AwareDatetime | None = None
    containers: tuple[ContainerView, ...] = ()
    init_containers: tuple[ContainerView, ...] = ()
    conditions: tuple[ConditionView, ...] = ()

    @property
    def deleting(self) -> bool:
        """True from when its deletion was asked for."""
        return self.deleting_since is not None

    @property
    def driver(self) -> ContainerView | None:
        """The container that is the driver: the one of Spark's name, else the first; None where the node has not named any."""
        named = (one for one in self.containers if one.name == DRIVER_CONTAINER)
        return next(named, self.containers[0] if self.containers else None)

    @property
    def stage(self) -> Stage:
        """How far the driver is; its container counts more than the pod's phase, which a sidecar keeps at ``Running``."""
        main = self.driver
        if main is not None and main.state == "terminated" and main.exit_code is not None:
            return self._success() if main.exit_code == 0 and self.phase != "Failed" else Stage.FAILED
        if self.phase == "Succeeded":
            return self._success()
        if self.phase == "Failed":
            return Stage.FAILED
        waits = self.phase == "Pending" or (main is not None and main.state == "waiting")
        return Stage.WAITS if waits else Stage.RUNS

    def _success(self) -> Stage:
        """A driver that ended because it was told to go has not done its work, whatever it returned."""
        if self.deleting_since is None:
            return Stage.SUCCEEDED
        finished = self.driver.finished_at if self.driver else None
        return Stage.SUCCEEDED if finished is not None and finished < self.deleting_since else Stage.FAILED


class ExecutorView(PodView):
    """An executor's pod, and the last lines of its log where it died."""

    lines: tuple[str, ...] = ()


class ApplicationView(Model):
    """A SparkApplication of either API.

    Attributes:
        name: Its name.
        uid: Its UID.
        labels: Its labels.
        state: ``status.applicationState.state`` or ``status.currentState.currentStateSummary``; empty while no operator has touched it.
        message: The operator's words: ``errorMessage`` or ``currentState.message``.
        history: Earlier states, oldest first, where the API keeps them.
        driver_pod: Name of its driver pod; empty while there is none.
        app_id: ``status.sparkApplicationId``.
        created_at: When it was made.
        deleting_since: When its deletion was asked for; None while it was not.
    """

    name: str
    uid: str
    labels: dict[str, str] = {}
    state: str = ""
    message: str = ""
    history: tuple[str, ...] = ()
    driver_pod: str = ""
    app_id: str = ""
    created_at: AwareDatetime | None = None
    deleting_since: AwareDatetime | None = None

    @property
    def deleting(self) -> bool:
        """True from when its deletion was asked for."""
        return self.deleting_since is not None

    @property
    def stage(self) -> Stage:
        """How far it is."""
        return stage_of(self.state, self.history)


class EventView(Model):
    """An event."""

    reason: str
    message: str = ""
    count: int = 1
    last: AwareDatetime | None = None


@dataclass(frozen=True)
class ObjectView:
    """Another object: its name, UID, labels, and the UID of its owner."""

    name: str
    uid: str
    labels: Mapping[str, str]
    owner: str = ""


Driver = PodView | ApplicationView
Reply = PodView | ApplicationView | Accepted | CallError


@dataclass(frozen=True)
class Observation:
    """The answer to the last call, and what was looked at; None for what was not.

    A read that failed is its :class:`~airflow_dataops.core.machine.CallError`; a read of something that is not there is
    :class:`~airflow_dataops.core.machine.Gone`. ``log_tail`` is Gone where there is no log, or none any more.
    """

    reply: Reply | None = None
    pods: tuple[PodView, ...] | CallError | None = None
    pod: PodView | Gone | CallError | None = None
    applications: tuple[ApplicationView, ...] | CallError | None = None
    application: ApplicationView | Gone | CallError | None = None
    config: ObjectView | Gone | CallError | None = None
    events: tuple[EventView, ...] | CallError | None = None
    executors: tuple[ExecutorView, ...] | CallError | None = None
    log_tail: str | Gone | CallError | None = None
