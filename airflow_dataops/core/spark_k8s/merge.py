# SPDX-License-Identifier: Apache-2.0
"""Two pod documents made one, as a user of ``kubectl patch`` expects it.

Mappings are merged key by key. Lists whose entries have a name in Kubernetes are merged by it: each container into the one of its name, all
others (volumes, variables, mounts, ports) entry by entry, where the later entry takes the whole place of the earlier one, since its parts
exclude each other. Every other list, and every single value, is replaced. A value of None takes away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Document = dict[str, Any]

_CONTAINERS = frozenset({"containers", "initContainers"})
_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "hostAliases": ("ip",),
}
_DEFAULTS = {"protocol": "TCP"}


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Document:
    """Return ``base`` with ``over`` laid on it; what ``over`` says wins. Neither is changed."""
    merged: Document = _copy(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        elif key in _KEYS and _named(key, value) and _named(key, merged.get(key)):
            merged[key] = _by_name(key, merged[key], value)
        else:
            merged[key] = _copy(value)
    return merged


def names_in(key: str, entries: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what the entries of such a list are told apart by, in their order."""
    return [_name(key, entry) for entry in entries]


def _by_name(key: str, base: Sequence[Document], over: Sequence[Document]) -> list[Document]:
    found = {_name(key, entry): entry for entry in base}
    for entry in over:
        name = _name(key, entry)
        deep = key in _CONTAINERS and name in found
        found[name] = merge(found[name], entry) if deep else _copy(entry)
    return list(found.values())


def _named(key: str, value: Any) -> bool:
    entries = isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value)
    return entries and all(_KEYS[key][0] in entry for entry in value)


def _name(key: str, entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(part, _DEFAULTS.get(part)) for part in _KEYS[key])


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(part) for key, part in value.items() if part is not None}
    return [_copy(part) for part in value] if isinstance(value, list) else value
