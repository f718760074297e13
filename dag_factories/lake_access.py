# SPDX-License-Identifier: Apache-2.0
"""The connection of a lake in S3, outside a task that has an argument for it: it becomes this process's settings of S3."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from airflow_dataops.core.errors import SpecError
from dag_factories.project import TargetConfig

_FIELDS = ("login", "password", "host", "extra")
_entered: dict[str, str] = {}


def enter(config: TargetConfig, lookup: Callable[[str], str]) -> None:
    """Let this process, and the jobs that it starts, reach a target's lake by the target's connection; nothing without one.

    Args:
        config: The target.
        lookup: ``conn:ID.field`` -> value.

    Raises:
        SpecError: The connection is not known here (``SECRET_MISSING``), cannot be meant (``S3_SETTINGS``), or is another one than an
            earlier target's (``S3_CONNECTIONS``): a process has one.
    """
    conn_id = config.aws_conn_id
    if conn_id is None:
        return
    from airflow_dataops.clients.store_environment import access_by_settings
    from airflow_dataops.core.s3 import S3Settings
    from airflow_dataops.core.s3_sources import OWN_VARIABLES

    settings = S3Settings.from_connection(conn_id, _fields(conn_id, lookup))
    said = access_by_settings(settings, settings.keys(lookup), os.environ).environment
    if _entered and _entered != said:
        raise SpecError(
            f"the lakes of these pipelines have different connections, {conn_id} among them, and one process has one",
            hint="name the pipelines of one lake at a time",
            code="S3_CONNECTIONS",
        )
    for name in OWN_VARIABLES:
        os.environ.pop(name, None)
    _entered.update(said)
    os.environ.update(said)


def _fields(conn_id: str, lookup: Callable[[str], str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    missing: SpecError | None = None
    for field in _FIELDS:
        try:
            found[field] = lookup(f"conn:{conn_id}.{field}")
        except SpecError as error:
            if error.code != "SECRET_MISSING":
                raise
            missing = error
    if not found and missing is not None:
        raise missing
    return {**found, "extra": json.loads(found.get("extra") or "{}")}


__all__ = ["enter"]
