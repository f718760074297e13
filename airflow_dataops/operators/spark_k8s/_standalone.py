# SPDX-License-Identifier: Apache-2.0
"""Mode ``standalone``: spark-submit on the worker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airflow_dataops.operators._refusal import fail

if TYPE_CHECKING:
    from airflow_dataops.core.spark_k8s.run import SparkRun
    from airflow_dataops.core.spark_k8s.state import Outcome
    from airflow_dataops.operators.spark_k8s._steps import SparkOperator


def run_here(operator: SparkOperator, run: SparkRun) -> Outcome:
    """Run spark-submit as a child of this process, with its log in the task's; returns how it ended.

    Raises:
        AirflowFailException: There is no spark-submit, or a secret is not set.
        TransientError: The task was killed.
    """
    from airflow_dataops.clients.spark_k8s.submit import SubmitProcess, find_spark_submit
    from airflow_dataops.core.errors import DataOpsError, TransientError
    from airflow_dataops.core.secrets import hide, hide_in
    from airflow_dataops.core.spark_k8s.spark_submit import spark_submit, standalone_env, without_effect
    from airflow_dataops.core.spark_k8s.standalone import names_application, outcome_of
    from airflow_dataops.core.spark_k8s.state import Outcome
    from airflow_dataops.hooks._secrets import lookup_secrets

    plain, references = standalone_env(run.app)
    try:
        command = spark_submit(run, program=find_spark_submit(os.environ))
        values = lookup_secrets(set(references.values()))
    except DataOpsError as error:
        fail(error)
    if unused := without_effect(run):
        operator.log.warning("mode standalone makes no pods, so this has no effect: %s", ", ".join(unused))
    if operator.deferrable:
        operator.log.info("mode standalone does not defer: the driver is a child of this worker")
    child = operator._child = SubmitProcess()
    env = {**plain, **{name: values[reference] for name, reference in references.items()}}
    secrets = list(values.values())
    named: list[str] = []

    def hear(line: str) -> None:
        if not named and names_application(line):
            named.append(line)
        operator.log.info("%s", hide(line, secrets))

    ended = child.run(
        command,
        env,
        on_line=hear,
        timeout=run.policy.run_timeout.total_seconds(),
    )
    if ended.stopped:
        raise TransientError("the task was killed while it ran -> run it again when you like", code="KILLED")
    found = outcome_of(run, ended.exit_code, "\n".join([*named, ended.tail]), ended.result, ended.seconds)
    return Outcome.model_validate(hide_in(found.model_dump(mode="json"), secrets))
