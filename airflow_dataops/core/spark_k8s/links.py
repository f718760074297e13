# SPDX-License-Identifier: Apache-2.0
"""Where people look at a run: the History Server and the cluster's console.

A pod's name and an application's id, which is a label's value, hold nothing that an address would not take.
"""

from __future__ import annotations

from airflow_dataops.core.spark_k8s.application_document import spec_of
from airflow_dataops.core.spark_k8s.spec import RunParts, SparkApp


def history_url(run: RunParts, application_id: str) -> str | None:
    """Return the run's page of the History Server; None where no event log is written or no server is known."""
    if run.target.history_server is None or not _writes_events(run.app):
        return None
    return f"{run.target.history_server.rstrip('/')}/history/{application_id}/jobs/"


def console_url(run: RunParts, pod: str) -> str | None:
    """Return the pod's page of OpenShift's console; None where none is known."""
    if run.target.console is None:
        return None
    return f"{run.target.console.rstrip('/')}/k8s/ns/{run.target.namespace}/pods/{pod}"


def _writes_events(app: SparkApp) -> bool:
    """Tell whether there is an event log: by the field, or by the properties of a SparkApplication of the user's."""
    conf = spec_of(app).get("sparkConf")
    return app.event_log is not None or (isinstance(conf, dict) and conf.get("spark.eventLog.enabled") == "true")
