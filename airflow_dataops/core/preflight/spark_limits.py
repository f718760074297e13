# SPDX-License-Identifier: Apache-2.0
"""Do a driver and its executors keep the namespace's limits of one pod, and have they room on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from airflow_dataops.core.preflight.findings import Finding, Level
from airflow_dataops.core.preflight.kube_asking import Document, KubeAnswers
from airflow_dataops.core.preflight.pod_amounts import Amounts, container_amounts, pod_amounts, told
from airflow_dataops.core.preflight.spark_quota import Pods
from airflow_dataops.core.spark_k8s.quantities import quantity

_DISK = "ephemeral-storage"
_TEMPLATES = {"driver": "pod_template", "executor": "executor_template"}


def limit_findings(answers: KubeAnswers, pods: Pods) -> Iterator[Finding]:
    """Give what the namespace's limit ranges mean for a run."""
    if answers.get("limits") is None:
        yield answers.unread("limits", "limit_range", "the limit ranges")
        return
    for found in answers.items("limits"):
        check = f"limit_range.{found['metadata']['name']}"
        faults, limits = _faults(found, pods)
        if faults:
            wider = (_with(found, limits),)
            yield Finding(check=check, level=Level.PROBLEM, message="; ".join(faults), manifests=wider)
        else:
            yield Finding(check=check, level=Level.OK, message="driver and executors keep it")


def disk_findings(pods: Pods) -> Iterator[Finding]:
    """Give what becomes of data that is spilled: beyond a pod's limit of ephemeral storage the node evicts it."""
    for role, template in _TEMPLATES.items():
        pod = getattr(pods, role)
        limits = pod_amounts(pod, "limits")
        disk, memory = limits.get(_DISK), limits.get("memory", Fraction(0))
        folders = _folders(pod)
        if disk is None or not (disk < memory or folders > disk):
            continue
        needs = max(memory, folders)
        why = (
            f"less than its memory of {told('memory', memory)}" if disk < memory else "less than its emptyDirs may hold"
        )
        message = f"the {role} may write {told(_DISK, disk)} to disk, {why}: spilled and shuffled data gets it evicted"
        name = str(pod["spec"]["containers"][0]["name"])
        box = f"{{name: {name}, resources: {{limits: {{{_DISK}: {told(_DISK, needs)}}}}}}}"
        fix = f"app: {{{template}: {{spec: {{containers: [{box}]}}}}}}"
        yield Finding(check=f"{role}.disk", level=Level.WARNING, message=message, fix=fix)


def _folders(pod: Document) -> Fraction:
    """Return what the emptyDirs on disk may hold together, as far as they say."""
    total = Fraction(0)
    for volume in pod["spec"].get("volumes") or []:
        folder = volume.get("emptyDir") or {}
        if folder.get("sizeLimit") and folder.get("medium") != "Memory":
            total += quantity(str(folder["sizeLimit"]))
    return total


def _faults(found: Document, pods: Pods) -> tuple[list[str], list[Document]]:
    """Return each limit that is broken, and the limits widened so that none is."""
    faults: list[str] = []
    limits: list[Document] = []
    for limit in found["spec"]["limits"]:
        wider = dict(limit)
        for role in _TEMPLATES:
            for amounts in _amounts(limit["type"], getattr(pods, role)):
                for bound, name, wanted, message in _broken(wider, *amounts):
                    wider[bound] = {**wider[bound], name: wanted}
                    faults.append(f"the {role} {message}")
        limits.append(wider)
    return faults, limits


def _amounts(kind: str, pod: Document) -> list[tuple[Amounts, Amounts]]:
    if kind == "Pod":
        return [(pod_amounts(pod, "requests"), pod_amounts(pod, "limits"))]
    boxes = pod["spec"]["containers"] if kind == "Container" else []
    return [(container_amounts(box, "requests"), container_amounts(box, "limits")) for box in boxes]


def _broken(limit: Mapping[str, Any], requests: Amounts, limits: Amounts) -> Iterator[tuple[str, str, str, str]]:
    for name, text in dict(limit.get("max") or {}).items():
        bound, asked = quantity(str(text)), limits.get(name, requests.get(name))
        if asked is not None and asked > bound:
            yield "max", name, told(name, asked), f"asks for {name} {told(name, asked)}, at most {text} are allowed"
    for name, text in (limit.get("min") or {}).items():
        bound, asked = quantity(str(text)), requests.get(name)
        if asked is not None and asked < bound:
            yield "min", name, told(name, asked), f"asks for {name} {told(name, asked)}, at least {text} are allowed"
    for name, text in (limit.get("maxLimitRequestRatio") or {}).items():
        bound, low, high = quantity(str(text)), requests.get(name), limits.get(name)
        if low and high and high / low > bound:
            ratio = -(-high.numerator * low.denominator // (high.denominator * low.numerator))
            message = f"has a limit of {name} {ratio} times its request, at most {text} times are allowed"
            yield "maxLimitRequestRatio", name, str(ratio), message


def _with(found: Document, limits: list[Document]) -> Document:
    metadata = {key: found["metadata"][key] for key in ("name", "namespace") if key in found["metadata"]}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}
