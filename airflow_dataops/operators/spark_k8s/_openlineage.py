# SPDX-License-Identifier: Apache-2.0
"""What a driver's own OpenLineage listener has to know: whose child it is, and where events go. Never a reason for failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.core.spark_k8s.run import SparkRun


def with_lineage(operator: Any, context: Any, run: SparkRun) -> SparkRun:
    """Return the run with OpenLineage's properties, as far as they are asked for and can be had; what the program says itself stays.

    Args:
        operator: Has the two switches and a log.
        context: Airflow's.
        run: The run.
    """
    if not (operator.openlineage_inject_parent_job_info or operator.openlineage_inject_transport_info):
        return run
    try:
        return _told(operator, context, run)
    except Exception as error:  # noqa: BLE001  lineage is never a reason for failure
        said = " ".join(f"{type(error).__name__}: {error}".split())
        operator.log.warning("OpenLineage: nothing is passed to the driver, the task goes on without it: %s", said)
        return run


def _told(operator: Any, context: Any, run: SparkRun) -> SparkRun:
    from airflow.providers.common.compat.openlineage.utils import spark

    from airflow_dataops.core.spark_k8s.run import parse
    from airflow_dataops.core.spark_k8s.secrets import unfit_properties
    from airflow_dataops.operators._refusal import written

    conf: dict[str, Any] = dict(run.app.conf)
    if operator.openlineage_inject_parent_job_info:
        conf = spark.inject_parent_job_information_into_spark_properties(conf, context)
    if operator.openlineage_inject_transport_info:
        with_transport = spark.inject_transport_information_into_spark_properties(conf, context)
        added = {name: str(value) for name, value in with_transport.items() if name not in conf}
        unfit = unfit_properties(added)
        if unfit:
            operator.log.warning(
                "OpenLineage: the transport is not passed on, since %s would stand in a ConfigMap; mount an openlineage.yml from a "
                "Secret by app.pod_template, and name it in OPENLINEAGE_CONFIG",
                ", ".join(unfit),
            )
        else:
            conf = with_transport
    texts = {name: str(value) for name, value in conf.items() if value is not None}
    if texts == run.app.conf:
        return run
    return parse({**written(run), "app": {**written(run.app), "conf": texts}})
