# SPDX-License-Identifier: Apache-2.0
"""What may be named in YAML: notifiers and callbacks, registered as entry points, never import paths."""

from __future__ import annotations

NOTIFIERS = "airflow_dataops.notifiers"
CALLBACKS = "airflow_dataops.callbacks"

_BUILT_IN = {NOTIFIERS: frozenset({"log", "smtp", "webhook"}), CALLBACKS: frozenset[str]()}


def registered(group: str) -> list[str]:
    """Return all names of an entry-point group, sorted: the built-in ones and those of installed packages."""
    from importlib.metadata import entry_points

    return sorted(_BUILT_IN[group] | {point.name for point in entry_points(group=group)})


def is_registered(group: str, name: str) -> bool:
    """Return whether a name is registered; installed packages are only looked through for a name that is not built in."""
    return name in _BUILT_IN[group] or name in registered(group)
