# SPDX-License-Identifier: Apache-2.0
"""What a pod document asks of a cluster: amounts, and the objects that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any

from airflow_dataops.core.spark_k8s.quantities import MIB, Cpu, quantity

Amounts = dict[str, Fraction]


def container_amounts(container: Mapping[str, Any], side: str) -> Amounts:
    """Return the ``requests`` or ``limits`` of a container; what has a limit only is also requested, as Kubernetes has it."""
    resources = container.get("resources") or {}
    found = {}
    for name, value in (resources.get(side) or {}).items():
        with suppress(ValueError):  # the API server says so itself
            found[name] = quantity(str(value))
    if side == "requests":
        return container_amounts(container, "limits") | found
    return found


def pod_amounts(pod: Mapping[str, Any], side: str) -> Amounts:
    """Return the ``requests`` or ``limits`` of a pod: those of its containers together, or of its greediest init container.

    What one of the containers does not say is left out: then the pod says nothing of it.
    """
    spec = pod.get("spec") or {}
    boxes = [container_amounts(box, side) for box in spec.get("containers") or []]
    common = set.intersection(*map(set, boxes)) if boxes else set()
    total = {name: sum((box[name] for box in boxes), Fraction(0)) for name in common}
    for box in spec.get("initContainers") or []:
        for name, value in container_amounts(box, side).items():
            if name in total:
                total[name] = max(total[name], value)
    return total


def told(name: str, amount: Fraction) -> str:
    """Return an amount as Kubernetes writes it, rounded up to whole MiB or thousandths of a core.

    Args:
        name: Name of the resource, as quotas have it: ``limits.memory``, ``cpu``, ``pods``.
        amount: How much.
    """
    kind = name.rpartition(".")[2] if name.partition(".")[0] in ("requests", "limits") else name
    if kind == "cpu":
        return str(Cpu(_up(amount * 1000)))
    if kind in ("memory", "storage", "ephemeral-storage"):
        return f"{_up(amount / MIB)}Mi"
    return str(_up(amount))


def named_objects(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give kind and name of each Secret, ConfigMap and PersistentVolumeClaim without which the pod does not start."""
    spec = pod.get("spec") or {}
    for entry in spec.get("imagePullSecrets") or []:
        yield "imagePullSecret", str(entry.get("name"))
    for volume in spec.get("volumes") or []:
        yield from _of_volume(volume)
    for box in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        for variable in box.get("env") or []:
            source = variable.get("valueFrom") or {}
            yield from _needed(source.get("secretKeyRef"), "Secret")
            yield from _needed(source.get("configMapKeyRef"), "ConfigMap")
        for source in box.get("envFrom") or []:
            yield from _needed(source.get("secretRef"), "Secret")
            yield from _needed(source.get("configMapRef"), "ConfigMap")


def _of_volume(volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _needed(volume.get("secret"), "Secret", "secretName")
    yield from _needed(volume.get("configMap"), "ConfigMap")
    yield from _needed(volume.get("persistentVolumeClaim"), "PersistentVolumeClaim", "claimName")
    for source in (volume.get("projected") or {}).get("sources") or []:
        yield from _needed(source.get("secret"), "Secret")
        yield from _needed(source.get("configMap"), "ConfigMap")


def _needed(source: Any, kind: str, key: str = "name") -> Iterator[tuple[str, str]]:
    if isinstance(source, Mapping) and source.get(key) and not source.get("optional"):
        yield kind, str(source[key])


def _up(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)
