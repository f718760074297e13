# SPDX-License-Identifier: Apache-2.0
"""From Airflow's context and stores to values of ours: the run, secrets, a suite file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Variable, mask_secret

from airflow_dataops.core import secrets
from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.run import RunContext, run_key


def run_of(context: Any, pipeline: str, timezone: str) -> RunContext:
    """Return which run this is; the same on Airflow 2 and 3.

    Args:
        context: What Airflow gives to ``execute``.
        pipeline: Name of the pipeline.
        timezone: IANA name of the zone in which the run's date is meant.
    """
    dag_run = context["dag_run"]
    start, end = dag_run.data_interval_start, dag_run.data_interval_end
    # Airflow 2 gives a run that assets triggered the intervals of the runs that wrote them: several such runs may have the same one.
    own = not str(getattr(dag_run, "run_type", None)).lower().endswith("set_triggered")
    return RunContext(
        pipeline=pipeline,
        key=run_key(
            partition_key=getattr(dag_run, "partition_key", None),
            interval_start=start if own else None,
            interval_end=end if own else None,
            logical_date=dag_run.logical_date,
            run_id=dag_run.run_id,
        ),
        interval_start=start,
        interval_end=end,
        timezone=timezone,
    )


def expand(value: Any, run: RunContext) -> Any:
    """Return ``value`` with every ``${run.…}`` in its texts replaced, at any depth."""
    if isinstance(value, str):
        return run.expand(value)
    if isinstance(value, dict):
        return {key: expand(item, run) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [expand(item, run) for item in value]
    return value


def lookup_secrets(names: Iterable[str]) -> dict[str, str]:
    """Return reference -> value, from the worker's environment, Airflow's variables and connections; all are hidden in logs.

    Raises:
        SpecError: One is not set (``SECRET_MISSING``).
    """
    found = {name: lookup(name) for name in names}
    for value in found.values():
        mask_secret(value)
    return found


def read_suite(path: str, folder: str) -> dict[str, Any]:
    """Return the suite in a JSON file.

    Args:
        path: Absolute, or relative to ``folder``.
        folder: Folder of the DAG file.

    Raises:
        InputError: There is no such file, or it cannot be read (``SUITE_UNREADABLE``).
        SpecError: It is no JSON object (``SUITE_INVALID``).
    """
    file = Path(folder, path)
    try:
        suite = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"the suite {file} cannot be read: {error.strerror}",
            hint="give an absolute path, or one relative to the DAG file",
            code="SUITE_UNREADABLE",
        ) from None
    except ValueError as error:
        raise SpecError(f"the suite {file} is no JSON: {error}", hint="export it again", code="SUITE_INVALID") from None
    if not isinstance(suite, dict):
        raise SpecError(
            f"the suite {file} holds a {type(suite).__name__}",
            hint='write {"expectations": [...]}',
            code="SUITE_INVALID",
        )
    return suite


def lookup(name: str) -> str:
    """Return what ``env:NAME``, ``var:NAME`` or ``conn:ID.field`` stands for; it is not hidden in logs.

    Raises:
        SpecError: It is not set (``SECRET_MISSING``).
    """
    parsed = secrets.parse(name)
    if parsed.kind == "env":
        found, where = os.environ.get(parsed.name), f"the environment variable {parsed.name} of the workers"
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


__all__ = ["expand", "lookup", "lookup_secrets", "read_suite", "run_of"]
