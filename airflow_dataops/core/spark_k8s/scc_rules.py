# SPDX-License-Identifier: Apache-2.0
"""What OpenShift's ``restricted-v2`` does not let in: in a pod template, in properties of Spark's, or in the fields of a SparkApplication.

A ``seccompProfile`` that is missing is no fault: ``restricted-v2`` puts ``RuntimeDefault`` in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_dataops.core.checked import Fault

_HOST = ("hostNetwork", "hostPID", "hostIPC")
_IDS = ("runAsUser", "fsGroup", "seLinuxOptions")  # it leaves runAsGroup and supplementalGroups alone
_MOUNTED = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
    }
)  # fmt: skip
_VOLUME = re.compile(r"(spark\.kubernetes\.(?:driver|executor)\.volumes\.([^.]+)\.[^.]+)\.")
_WHY = {"hostPath": "hostPath mounts the node's files"}
_HINT = "remove it; if the service account has a wider SCC, write profile: plain"


def scc_rules(path: str, template: Mapping[str, Any]) -> Iterator[Fault]:
    """Give what in a template asks for more than ``restricted-v2`` gives; a template of another shape has none."""
    spec = template.get("spec")
    if not isinstance(spec, Mapping):
        return
    yield from _host(f"{path}.spec", spec)
    yield from _volumes(f"{path}.spec", spec)
    yield from _context(f"{path}.spec", spec, "securityContext")
    yield from _containers(f"{path}.spec", spec, ("containers", "initContainers"))


def application_scc_rules(path: str, spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Give the same of a SparkApplication's ``spec``: of Kubeflow's own fields, which become those of pods. Templates are not looked at."""
    yield from _volumes(path, spec)
    for role in ("driver", "executor"):
        pod = spec.get(role)
        if isinstance(pod, Mapping):
            where = f"{path}.{role}"
            yield from _host(where, pod)
            yield from _context(where, pod, "podSecurityContext")
            yield from _context(where, pod, "securityContext")
            yield from _containers(where, pod, ("sidecars", "initContainers"))


def conf_scc_rules(path: str, keys: Iterable[str]) -> Iterator[Fault]:
    """Give the same of Spark's properties, by which it mounts volumes into the pods that it makes: one fault a volume."""
    told = set()
    for key in keys:
        found = _VOLUME.match(key)
        if found and found[2] not in _MOUNTED and found[1] not in told:
            told.add(found[1])
            yield _volume(f"{path}.{key}", found[2])


def _host(path: str, part: Mapping[str, Any]) -> Iterator[Fault]:
    for key in _HOST:
        if part.get(key):
            yield _refused(f"{path}.{key}", f"{key} shares the node's")


def _volumes(path: str, part: Mapping[str, Any]) -> Iterator[Fault]:
    for volume in _mappings(part.get("volumes")):
        for kind in volume.keys() - _MOUNTED - {"name"}:
            yield _volume(f"{path}.volumes.{volume.get('name')}", kind)


def _volume(path: str, kind: str) -> Fault:
    return _refused(path, _WHY.get(kind, f"{kind} is none of the volumes that it mounts"))


def _containers(path: str, part: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[Fault]:
    for key in keys:
        for container in _mappings(part.get(key)):
            where = f"{path}.{key}.{container.get('name')}"
            yield from _context(where, container, "securityContext")
            for port in _mappings(container.get("ports")):
                if port.get("hostPort"):
                    yield _refused(f"{where}.ports", "hostPort takes a port of the node")


def _context(path: str, part: Mapping[str, Any], name: str) -> Iterator[Fault]:
    context = part.get(name)
    if not isinstance(context, Mapping):
        return
    where = f"{path}.{name}"
    for key in _IDS:
        if key in context:
            yield _refused(f"{where}.{key}", f"{key} is given by the namespace")
    for key in ("privileged", "allowPrivilegeEscalation"):
        if context.get(key):
            yield _refused(f"{where}.{key}", f"{key} is not allowed")
    if context.get("runAsNonRoot") is False:
        yield _refused(f"{where}.runAsNonRoot", "root is not allowed")
    seccomp = context.get("seccompProfile")
    if isinstance(seccomp, Mapping) and seccomp.get("type", "RuntimeDefault") != "RuntimeDefault":
        yield _refused(f"{where}.seccompProfile.type", f"seccompProfile {seccomp['type']} is not RuntimeDefault")
    capabilities = context.get("capabilities")
    added = capabilities.get("add") if isinstance(capabilities, Mapping) else None
    more = [name for name in added if name != "NET_BIND_SERVICE"] if isinstance(added, list) else []
    if more:
        yield _refused(f"{where}.capabilities.add", f"{', '.join(map(str, more))} is not allowed")


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _refused(path: str, why: str) -> Fault:
    return Fault(path, "SCC_REFUSES", f"OpenShift's restricted-v2 refuses the pod: {why}", _HINT)
