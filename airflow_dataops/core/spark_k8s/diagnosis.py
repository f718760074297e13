# SPDX-License-Identifier: Apache-2.0
"""Why a driver did not start or did not end well: its pod, the pod's events, dead executors and the log's end go in; one code comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_dataops.core.spark_k8s import program
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.failures import Failure, Reason, failure
from airflow_dataops.core.spark_k8s.log_errors import LogErrors, read_errors, short
from airflow_dataops.core.spark_k8s.observation import ConditionView, ContainerView, EventView, ExecutorView, PodView

PULL_FAILS = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
        *("RegistryUnavailable", "ImageInspectError"),
    }
)
PULL_NEVER = frozenset({"InvalidImageName", "ErrImageNeverPull"})  # no grace helps
CONFIG_FAILS = frozenset({"CreateContainerConfigError"})
_EVICTED = frozenset({"Evicted", "Preempting", "Preempted"})
_NODE_LOST = frozenset({"NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeNotReady", "TaintManagerEviction"})
_NODE_REFUSED = re.compile(r"OutOf\w+|NodeAffinity|UnexpectedAdmissionError|HostPortConflict")
_DISRUPTION = {
    "PreemptionByScheduler": Reason.EVICTED,
    "EvictionByEvictionAPI": Reason.EVICTED,
    "TerminationByKubelet": Reason.EVICTED,
    "DeletionByTaintManager": Reason.NODE_LOST,
    "DeletionByPodGC": Reason.NODE_LOST,
}
_QUOTA = re.compile(
    r"exceeded quota|failed quota|(?:maximum|minimum) (?:cpu|memory|ephemeral-storage) (?:usage|limit)", re.IGNORECASE
)
_SECURITY = re.compile(
    r"security context constraint|violates PodSecurity|runAsNonRoot|non-numeric user|"
    r"unable to validate against any|allowPrivilegeEscalation",
    re.IGNORECASE,
)
_PASSING_PULL = re.compile(
    r"timeout|timed out|toomanyrequests|too many requests|connection refused|\b50[0-4]\b", re.IGNORECASE
)
_KILLED, _STOPPED = 137, 143


@dataclass(frozen=True)
class Case:
    """All that is known, and what is read from it once."""

    pod: PodView | None
    events: Sequence[EventView]
    executors: Sequence[ExecutorView]
    errors: LogErrors
    log_tail: str
    said: str

    @property
    def driver(self) -> ContainerView | None:
        """The driver's container."""
        return self.pod.driver if self.pod is not None else None

    @property
    def exit_code(self) -> int | None:
        """The driver's exit code; None while it runs, or where nobody says."""
        return self.driver.exit_code if self.driver is not None else None

    def event(self, *reasons: str) -> EventView | None:
        """Return the last event with one of the reasons."""
        return next((event for event in reversed(self.events) if event.reason in reasons), None)


def diagnose(
    pod: PodView | None,
    events: Sequence[EventView] = (),
    executors: Sequence[ExecutorView] = (),
    log_tail: str = "",
    said: str = "",
) -> Failure:
    """Return why a driver failed, or why it does not start: one of the codes of ``failures.DIAGNOSES`` for every input.

    Args:
        pod: The driver's pod as it was last seen; None where it is gone or was never there.
        events: Events of the pod, oldest first.
        executors: Its executors that died, with the last lines of their logs.
        log_tail: The end of the driver's log.
        said: What an API server or operator said when it refused the pod or gave up; empty without.
    """
    case = Case(pod, events, executors, read_errors(log_tail), log_tail, said)
    refused = refusal(said)
    if refused is not None:
        return refused
    if pod is None:
        return _taken(case) or _gone(case)
    for look in _order(pod):
        found = look(case)
        if found is not None:
            return found
    return program.app_error(case.errors, case.exit_code, said)


def refusal(said: str) -> Failure | None:
    """Return what an API server's words mean that refuse a pod for its size or its rights; None for other words."""
    if _QUOTA.search(said):
        return failure(Reason.QUOTA_EXCEEDED, f"no room for the pod: {short(said)}", short(said))
    if _SECURITY.search(said):
        return failure(Reason.SCC_DENIED, f"the cluster's security rules refuse the pod: {short(said)}", short(said))
    return None


def image_trouble(pod: PodView) -> ContainerView | None:
    """Return the container whose image cannot be pulled; None where there is none."""
    return _waiting(pod, PULL_FAILS)


def config_trouble(pod: PodView, events: Sequence[EventView] = ()) -> bool:
    """Tell whether the pod waits for a ConfigMap, Secret or volume that is not there."""
    return _waiting(pod, CONFIG_FAILS) is not None or any(event.reason == "FailedMount" for event in events)


def _order(pod: PodView) -> tuple[Callable[[Case], Failure | None], ...]:
    if pod.stage is Stage.WAITS:
        return (_image, _config, _taken, _not_started)
    return (_taken, _image, _config, _memory, _executors, _stopped, _program)


def _image(case: Case) -> Failure | None:
    pod = case.pod
    box = image_trouble(pod) if pod is not None else None
    if box is None:
        return None
    event = case.event("Failed", "FailedToRetrieveImagePullSecret")
    told = short(box.message if len(box.message) > len(box.reason) + 20 or event is None else event.message)
    passing = bool(_PASSING_PULL.search(told)) and box.reason not in PULL_NEVER
    message = f"the image of container {box.name} cannot be pulled: {box.reason}" + (f": {told}" if told else "")
    return failure(
        Reason.IMAGE_PULL, message, box.reason, box.message, event.message if event else "", retryable=passing
    )


def _config(case: Case) -> Failure | None:
    pod = case.pod
    box = _waiting(pod, CONFIG_FAILS) if pod is not None else None
    if box is not None:
        return refusal(box.message) or failure(
            Reason.CONFIG_MISSING,
            f"container {box.name} lacks something that it names: {short(box.message)}",
            short(box.message),
        )
    event = case.event("FailedMount", "FailedAttachVolume")
    if event is None or pod is None or pod.stage is not Stage.WAITS:
        return None
    return failure(
        Reason.CONFIG_MISSING, f"a volume of the pod cannot be mounted: {short(event.message)}", short(event.message)
    )


def _taken(case: Case) -> Failure | None:
    """Say whether Kubernetes took the driver or its node away."""
    pod = case.pod
    if pod is not None and pod.reason == "DeadlineExceeded":
        return failure(Reason.RUN_TIMEOUT, f"the cluster ended the driver: {short(pod.message)}", pod.reason)
    if pod is not None and _NODE_REFUSED.fullmatch(pod.reason):
        message = f"node {pod.node} refused the driver: {pod.reason}: {short(pod.message)}"
        return failure(Reason.UNSCHEDULABLE, message, pod.reason)
    disruption = _condition(pod, "DisruptionTarget")
    code = _DISRUPTION.get(disruption.reason) if disruption is not None else None
    if code is not None and disruption is not None:
        return _taken_as(code, disruption.reason, disruption.message, case)
    if pod is not None and (pod.reason in _EVICTED or pod.reason in _NODE_LOST):
        code = Reason.EVICTED if pod.reason in _EVICTED else Reason.NODE_LOST
        return _taken_as(code, pod.reason, pod.message, case)
    if pod is not None and pod.phase == "Unknown":
        return _taken_as(Reason.NODE_LOST, "Unknown", "nobody says how the pod is", case)
    if pod is not None and not pod.deleting and case.exit_code not in (_KILLED, _STOPPED):
        return None  # an event tells of what nearly happened; the end of this driver is another one's affair
    event = case.event(*_EVICTED, *_NODE_LOST)
    if event is None:
        return None
    return _taken_as(
        Reason.EVICTED if event.reason in _EVICTED else Reason.NODE_LOST, event.reason, event.message, case
    )


def _taken_as(code: Reason, reason: str, message: str, case: Case) -> Failure:
    node = f" of node {case.pod.node}" if case.pod is not None and case.pod.node else ""
    what = (
        "Kubernetes took the driver's place away"
        if code is Reason.EVICTED
        else f"the driver was lost with{node or ' its node'}"
    )
    return failure(code, f"{what}: {reason}: {short(message)}".rstrip(": "), f"{reason}: {short(message)}".rstrip(": "))


def _not_started(case: Case) -> Failure:
    """Say why a pod does not start that no container accuses."""
    pod, event = case.pod, case.event("FailedScheduling", "FailedCreatePodSandBox", "FailedCreate")
    told = short(event.message) if event is not None else ""
    if pod is None:
        return _gone(case)
    scheduled = _condition(pod, "PodScheduled", status="False")
    if not pod.node:
        told = short(scheduled.message) if scheduled is not None and scheduled.message else told
        return failure(Reason.UNSCHEDULABLE, f"no node takes the driver: {told or 'the scheduler says nothing'}", told)
    pulling = case.event("Pulling", "Pulled")
    if pulling is not None and pulling.reason == "Pulling":
        message = f"node {pod.node} is still pulling the image: {short(pulling.message)}"
        hint = "give policy.start_timeout more time, or take a smaller image"
        return failure(Reason.IMAGE_PULL, message, short(pulling.message), hint=hint, retryable=True)
    message = f"node {pod.node} has not started the driver" + (f": {told}" if told else "")
    return failure(Reason.NODE_LOST, message, told)


def _memory(case: Case) -> Failure | None:
    box = case.driver
    if box is None or (case.pod is not None and case.pod.deleting):
        return None
    if box.reason == "OOMKilled":
        message = "the driver was killed for using more memory than its container may"
        return failure(Reason.DRIVER_OOM, message, f"OOMKilled, exit code {box.exit_code}")
    if box.exit_code == _KILLED:
        message = "the driver was killed (exit code 137), most likely for its memory: nobody deleted it"
        return failure(Reason.DRIVER_OOM, message, "exit code 137", *case.errors.evidence)
    return program.heap(case.errors, box.exit_code)


def _executors(case: Case) -> Failure | None:
    return program.executors(case.executors, case.log_tail, case.exit_code)


def _stopped(case: Case) -> Failure | None:
    pod = case.pod
    if pod is None or not (pod.deleting or case.exit_code == _STOPPED):
        return None
    killing = case.event("Killing")
    why = f"exit code {case.exit_code}" if case.exit_code is not None else "it is being deleted"
    return failure(
        Reason.DRIVER_DELETED,
        f"the driver was told to stop ({why}), and not by this run",
        why,
        killing.message if killing else "",
    )


def _program(case: Case) -> Failure:
    return program.diagnose_program(case.errors, case.exit_code, case.said)


def _gone(case: Case) -> Failure:
    killing = case.event("Killing")
    message = "the driver is gone, and nobody saw it end" + (f": {short(case.said)}" if case.said else "")
    return failure(Reason.DRIVER_DELETED, message, "404 Not Found", killing.message if killing else "")


def _waiting(pod: PodView, reasons: frozenset[str]) -> ContainerView | None:
    boxes = (*pod.init_containers, *pod.containers)
    return next((box for box in boxes if box.state == "waiting" and box.reason in reasons), None)


def _condition(pod: PodView | None, kind: str, status: str = "True") -> ConditionView | None:
    conditions = pod.conditions if pod is not None else ()
    return next((one for one in conditions if one.type == kind and one.status == status), None)


__all__ = ["Case", "config_trouble", "diagnose", "image_trouble", "refusal"]
