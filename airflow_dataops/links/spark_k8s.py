# SPDX-License-Identifier: Apache-2.0
"""From a task to its run in the History Server and to its driver in the cluster's console."""

from __future__ import annotations

from airflow_dataops.links._address import _AddressInXCom

HISTORY_KEY, POD_KEY = "dataops_spark_history_url", "dataops_spark_pod_url"


class SparkHistoryLink(_AddressInXCom):
    """Opens the run in the History Server; there is none without ``app.event_log`` and ``target.history_server``."""

    name = "Spark history"
    key = HISTORY_KEY


class SparkDriverPodLink(_AddressInXCom):
    """Opens the driver's pod in OpenShift's console, while the pod is there; there is none without ``target.console``."""

    name = "Driver pod"
    key = POD_KEY


__all__ = ["HISTORY_KEY", "POD_KEY", "SparkDriverPodLink", "SparkHistoryLink"]
