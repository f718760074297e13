# SPDX-License-Identifier: Apache-2.0
"""Secrets by reference, from this process's environment and Airflow's stores: in a task, in the triggerer, where a DAG file is read."""

from __future__ import annotations

import os
from collections.abc import Iterable

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Variable, mask_secret

from airflow_dataops.core import secrets

_OF = "of the workers, and of the triggerers for tasks that are deferred"


def lookup_secrets(names: Iterable[str]) -> dict[str, str]:
    """Return reference -> value, from this process's environment, Airflow's variables and connections; all are hidden in logs.

    Raises:
        SpecError: One is not set (``SECRET_MISSING``).
    """
    found = {name: lookup(name) for name in names}
    for value in found.values():
        mask_secret(value)
    return found


def lookup(name: str) -> str:
    """Return what ``env:NAME``, ``var:NAME`` or ``conn:ID.field`` stands for; it is not hidden in logs.

    Raises:
        SpecError: It is not set (``SECRET_MISSING``).
    """
    parsed = secrets.parse(name)
    if parsed.kind == "env":
        found, where = os.environ.get(parsed.name), f"the environment variable {parsed.name} {_OF}"
    elif parsed.kind == "var":
        found, where = Variable.get(parsed.name, None), f"airflow variables set {parsed.name} VALUE"
    else:
        found, where = _connection(parsed), f"airflow connections add {parsed.name} …"
    if found is None:
        raise secrets.missing(name, where)
    return str(found)


def _connection(name: secrets.SecretName) -> str | None:
    try:
        connection = BaseHook.get_connection(name.name)
    except AirflowNotFoundException:
        return None
    fields = {field: getattr(connection, field) for field in ("host", "login", "password", "port", "schema")}
    return secrets.field_of({**fields, "extra": connection.extra_dejson, "uri": connection.get_uri()}, name.field)


__all__ = ["lookup", "lookup_secrets"]
