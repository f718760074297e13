# SPDX-License-Identifier: Apache-2.0
"""Is there room in the namespace's quotas for a driver and its executors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from airflow_dataops.core.preflight.findings import Finding, Level
from airflow_dataops.core.preflight.kube_asking import Document, KubeAnswers
from airflow_dataops.core.preflight.pod_amounts import Amounts, pod_amounts, told
from airflow_dataops.core.spark_k8s.quantities import quantity
from airflow_dataops.core.spark_k8s.sizes import most_executors
from airflow_dataops.core.spark_k8s.spec import RunParts, SecretKeyRef

_SIDES = ("requests", "limits")
_PLAIN = ("cpu", "memory", "ephemeral-storage")  # a quota may leave "requests." out
_MUST_BE_SAID = ("cpu", "memory")


@dataclass(frozen=True)
class Pods:
    """The pods of a run, as the API server would have them, with the namespace's defaults filled in where it said so.

    Attributes:
        driver: The driver's document.
        executor: Document of each executor.
    """

    driver: Document
    executor: Document


@dataclass(frozen=True)
class _Need:
    """What a run takes of one line of a quota."""

    name: str
    driver: Fraction
    executor: Fraction
    count: int

    @property
    def least(self) -> Fraction:
        return self.driver + (self.executor if self.count else 0)

    @property
    def most(self) -> Fraction:
        return self.driver + self.executor * self.count

    def fitting(self, room: Fraction) -> int:
        return max(0, min(self.count, int((room - self.driver) // self.executor))) if self.executor else self.count

    def text(self) -> str:
        one, each = told(self.name, self.driver), told(self.name, self.executor)
        more = f", {self.count} executors of {each}" if self.count and self.executor else ""
        return f"{self.name} {told(self.name, self.most)} (driver {one}{more})"


def quota_findings(run: RunParts, answers: KubeAnswers, pods: Pods) -> Iterator[Finding]:
    """Give what the namespace's quotas mean for a run."""
    if answers.get("quotas") is None:
        yield answers.unread("quotas", "quota", "the quotas")
        return
    found = answers.items("quotas")
    if not found:
        yield Finding(check="quota", level=Level.OK, message=f"{answers.namespace} has no quota")
    for quota in found:
        yield from _of(run, quota, pods)


def _of(run: RunParts, quota: Document, pods: Pods) -> Iterator[Finding]:
    check, hard, used = f"quota.{quota['metadata']['name']}", *_limits(quota)
    counted = {"driver": _matches(quota, pods.driver), "executor": _matches(quota, pods.executor)}
    short: list[_Short] = []
    said = True
    for name, limit in hard.items():
        unsaid = [role for role, counts in counted.items() if counts and _unsaid(name, getattr(pods, role))]
        if unsaid:
            said = False
            yield _must_be_said(run, f"{check}.{name}", name, unsaid)
        elif need := _need(run, name, pods, counted):
            short += _room(need, limit, used.get(name, Fraction(0)))
    if short:
        level = Level.PROBLEM if any(one.level is Level.PROBLEM for one in short) else Level.WARNING
        raised = (_raised(quota, dict(one.wanted for one in short)),)
        yield Finding(check=check, level=level, message="; ".join(one.message for one in short), manifests=raised)
    elif said:
        yield Finding(check=check, level=Level.OK, message="there is room for the driver and all executors")


class _Short(NamedTuple):
    level: Level
    message: str
    wanted: tuple[str, str]


def _room(need: _Need, hard: Fraction, used: Fraction) -> Iterator[_Short]:
    if need.most <= hard - used:
        return
    never = need.most > hard
    room = hard if never else hard - used
    have = f"there may be {told(need.name, hard)}" + (f", and {told(need.name, used)} are in use" if used else "")
    level = Level.WARNING
    if need.least > room and never:
        level, means = Level.PROBLEM, "the run cannot work"
    elif need.least > room:
        means = "it waits until others have ended, at most policy.start_timeout"
    else:
        later = "" if never else " until others have ended"
        means = f"it gets {need.fitting(room)} of its {need.count} executors{later}"
    wanted = need.name, told(need.name, need.most + used)
    yield _Short(level, f"the run asks for {need.text()}; {have}: {means}", wanted)


def _raised(quota: Document, wanted: Mapping[str, str]) -> Document:
    metadata = {key: quota["metadata"][key] for key in ("name", "namespace") if key in quota["metadata"]}
    spec = quota.get("spec") or {}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata,
        "spec": {**spec, "hard": {**(spec.get("hard") or {}), **wanted}},
    }


def _must_be_said(run: RunParts, check: str, name: str, roles: list[str]) -> Finding:
    kind = name.removeprefix("limits.").removeprefix("requests.")
    message = f"the quota counts {name}, so every pod has to say its own; {' and '.join(roles)} do not: the cluster refuses them"
    sizes = {"driver": run.app.driver, "executor": run.app.executor}
    parts = ", ".join(f"{role}: {{cpu_limit: {sizes[role].cores.slots}}}" for role in roles)
    fix = f"app: {{{parts}}}" if name == "limits.cpu" else None
    limit = {"type": "Container", "default": {kind: "1"}, "defaultRequest": {kind: "100m"}}
    metadata = {"name": f"dataops-default-{kind}", "namespace": run.target.namespace}
    document = {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [limit]}}
    manifests = () if fix else (document,)
    return Finding(check=check, level=Level.PROBLEM, message=message, fix=fix, manifests=manifests)


def _need(run: RunParts, name: str, pods: Pods, counted: Mapping[str, bool]) -> _Need | None:
    count = most_executors(run.app) if counted["executor"] else 0
    driver = int(counted["driver"])
    if name in ("pods", "count/pods"):
        return _Need(name, Fraction(driver), Fraction(1), count)
    side, _, kind = name.partition(".") if name.partition(".")[0] in _SIDES else ("requests", "", name)
    if kind in pod_amounts(pods.driver, side) or kind in pod_amounts(pods.executor, side):
        amounts = [pod_amounts(pod, side).get(kind, Fraction(0)) for pod in (pods.driver, pods.executor)]
        return _Need(name, amounts[0] * driver, amounts[1], count)
    objects = _objects(run).get(name.removeprefix("count/"))
    return None if objects is None else _Need(name, Fraction(objects), Fraction(0), 0)


def _objects(run: RunParts) -> dict[str, int]:
    """Return how many other objects there are during a run: the driver's own, and Spark's ConfigMap for executors."""
    secrets = any(not isinstance(source, SecretKeyRef) for source in run.app.secret_env.values())
    crd = run.target.mode == "crd"
    found = {"configmaps": 2, "secrets": int(secrets), "services": int(run.app.service or crd)}
    group = str(run.target.application_api).partition("/")[0]
    return found | ({f"sparkapplications.{group}": 1} if crd else {})


def _unsaid(name: str, pod: Document) -> bool:
    side, _, kind = name.partition(".") if name.partition(".")[0] in _SIDES else ("requests", "", name)
    return kind in _MUST_BE_SAID and kind not in pod_amounts(pod, side)


def _limits(quota: Document) -> tuple[Amounts, Amounts]:
    """Return what may be had and what is; before the controller has counted, what is wanted and nothing."""
    status, spec = quota.get("status") or {}, quota.get("spec") or {}
    hard = status.get("hard") or spec.get("hard") or {}
    return _read(hard), _read(status.get("used") or {})


def _read(amounts: Mapping[str, Any]) -> Amounts:
    return {name: quantity(str(value)) for name, value in amounts.items()}


def _matches(quota: Document, pod: Document) -> bool:
    """Tell whether a quota counts a pod. Only the driver has a deadline; neither is BestEffort."""
    spec = quota.get("spec") or {}
    selector = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    wanted = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or []] + selector
    return all(_in_scope(one, pod) for one in wanted)


def _in_scope(scope: Mapping[str, Any], pod: Document) -> bool:
    name, operator, values = scope["scopeName"], scope.get("operator"), scope.get("values") or []
    ends = "activeDeadlineSeconds" in (pod.get("spec") or {})
    priority = (pod.get("spec") or {}).get("priorityClassName")
    if name == "PriorityClass":
        known = {"In": priority in values, "NotIn": priority not in values, "Exists": bool(priority)}
        return known.get(str(operator), not priority)
    return {"Terminating": ends, "NotTerminating": not ends, "NotBestEffort": True}.get(name, False)


__all__ = ["Pods", "quota_findings"]
