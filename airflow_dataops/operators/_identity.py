# SPDX-License-Identifier: Apache-2.0
"""Which run of which Airflow a task belongs to, from what Airflow says."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import conf

if TYPE_CHECKING:
    from airflow_dataops.core.identity import RunIdentity

_LOOPBACK = {"", "localhost", "127.0.0.1", "0.0.0.0", "::1"}  # noqa: S104 - compared, not bound
UNNAMED = "airflow"

log = logging.getLogger(__name__)


def instance_name(given: str | None) -> str:
    """Return the name of this Airflow: the same on every worker, and no other Airflow's of the same project or namespace.

    In order: the operator's own; ``[dataops] instance`` (``AIRFLOW__DATAOPS__INSTANCE``); the Composer environment; the host and path of
    Airflow's web server; ``airflow``.
    """
    if given:
        return given
    if configured := conf.get("dataops", "instance", fallback=None):
        return str(configured)
    if composer := os.environ.get("COMPOSER_ENVIRONMENT"):
        place = [os.environ.get(name, "") for name in ("GCP_PROJECT", "COMPOSER_LOCATION")]
        return "-".join(part for part in (*place, composer) if part)
    for section in ("api", "webserver"):
        url = urlsplit(conf.get(section, "base_url", fallback=None) or "")
        if (url.hostname or "") not in _LOOPBACK:
            return f"{url.netloc}{url.path}".rstrip("/")
    log.warning(
        "this Airflow has no name of its own; where two share a project or a namespace, set AIRFLOW__DATAOPS__INSTANCE in each"
    )
    return UNNAMED


def identity_of(context: Any, instance: str | None, task_id: str | None = None) -> RunIdentity:
    """Return the identity of a task's run.

    Args:
        context: Airflow's context.
        instance: The operator's argument.
        task_id: Task that makes the cluster, where this one only shares it.
    """
    from airflow_dataops.core.identity import RunIdentity

    ti = context["ti"]
    index = getattr(ti, "map_index", -1)
    return RunIdentity(
        instance=instance_name(instance),
        dag_id=ti.dag_id,
        task_id=task_id or ti.task_id,
        run_id=ti.run_id,
        map_index=-1 if index is None else index,
    )


def tries_of(context: Any) -> tuple[int, int]:
    """Return the number of this try, and of the first one since the task was last cleared.

    Airflow sets ``max_tries`` to ``retries`` when it makes a task instance, and to the last try's number plus ``retries`` when somebody
    clears it. ``retries`` that were changed in the DAG between two tries make the difference wrong, so it is kept within the tries.
    """
    ti = context["ti"]
    number = max(1, int(ti.try_number or 1))
    retries = int(getattr(context["task"], "retries", 0) or 0)
    since = int(ti.max_tries if ti.max_tries is not None else retries) - retries + 1
    return number, min(max(1, since), number)
