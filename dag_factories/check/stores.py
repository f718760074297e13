# SPDX-License-Identifier: Apache-2.0
"""What the store of a lake must have for a pipeline to be run as it is written."""

from __future__ import annotations

import os
from collections.abc import Iterator

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.s3_sources import of_environment
from dag_factories.check.context import Context
from dag_factories.specs.base import Problem


def check_store(context: Context) -> Iterator[Problem]:
    """Yield a pipeline that may run twice at once where the settings of S3 say that the endpoint is no judge between two writers.

    The settings are those of this process; what an Airflow connection says is not known here.
    """
    target = context.target
    if target is None or target.config.aws_conn_id is not None or not target.lake.startswith(("s3://", "s3a://")):
        return
    try:
        relied_on = of_environment(os.environ).get("conditional_writes", True)
        plan = None if relied_on else context.plan
    except SpecError:
        return  # told by the checks of the plan, or by the run
    if plan is None or plan.dag.get("max_active_runs") == 1:
        return
    message = (
        "S3_CONDITIONAL_WRITES=off says that the endpoint does not keep If-None-Match and If-Match, by which two runs of a table are "
        "told apart; this pipeline may run twice at once"
    )
    hint = "write max_active_runs: 1, or take an endpoint that keeps them (`dataops check-s3` tells)"
    yield Problem(("kind",), "ONE_RUN_AT_A_TIME", message, hint, severity="warning")


__all__ = ["check_store"]
