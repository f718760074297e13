# SPDX-License-Identifier: Apache-2.0
"""As whom Kubernetes and S3 are asked: Airflow connections of the types ``kubernetes`` and ``aws``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

if TYPE_CHECKING:
    from airflow_dataops.clients.spark_k8s.settings import KubeSettings
    from airflow_dataops.core.s3 import S3Settings

DEFAULT_CONNECTION = "kubernetes_default"

log = logging.getLogger(__name__)


class SparkKubernetesHook(BaseHook):
    """Turn connections into the settings of :class:`~airflow_dataops.clients.spark_k8s.client.SparkKubeClient` and of S3.

    Args:
        kubernetes_conn_id: Connection of type ``kubernetes``, as Airflow's provider for Kubernetes has it: ``in_cluster``, ``kube_config``
            (a document), ``kube_config_path``, ``cluster_context``, ``namespace``. None, or a default one that is not there, takes the
            cluster that the worker runs in, or else ``KUBECONFIG`` or ``~/.kube/config``.
        aws_conn_id: Connection of type ``aws``; None leaves S3 to the program's own properties, or to AWS's default chain (IRSA).
    """

    conn_name_attr = "kubernetes_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    hook_name = "Spark on Kubernetes"

    def __init__(self, kubernetes_conn_id: str | None = DEFAULT_CONNECTION, aws_conn_id: str | None = None) -> None:
        super().__init__()
        self.kubernetes_conn_id = kubernetes_conn_id
        self.aws_conn_id = aws_conn_id
        self._extra: Mapping[str, Any] | None = None

    def namespace(self) -> str | None:
        """Return the connection's namespace; None where it names none.

        Raises:
            AirflowNotFoundException: There is no such connection. Only the default one may be missing.
            SpecError: Something in it cannot be meant (``KUBERNETES_CONNECTION``).
        """
        return str(self._fields().get("namespace") or "") or None

    def settings(self, namespace: str) -> KubeSettings:
        """Return where Kubernetes is and as whom it is asked.

        Args:
            namespace: Namespace of all that is created.

        Raises:
            AirflowNotFoundException: There is no such connection. Only the default one may be missing.
            SpecError: Something in it cannot be meant (``KUBERNETES_CONNECTION``).
        """
        from airflow_dataops.clients.spark_k8s.connection import settings_of

        return settings_of(self._fields(), namespace)

    def s3(self) -> S3Settings | None:
        """Return the settings of S3, with references in the place of keys; None without a connection.

        Raises:
            AirflowNotFoundException: There is no such connection.
            SpecError: Something in it cannot be meant, or is not supported (``S3_SETTINGS``, ``S3_KEYS_INCOMPLETE``).
        """
        from airflow_dataops.core.s3 import S3Settings

        if self.aws_conn_id is None:
            return None
        found = self.get_connection(self.aws_conn_id)
        fields = {"login": found.login, "password": found.password, "host": found.host, "extra": found.extra_dejson}
        return S3Settings.from_connection(self.aws_conn_id, fields)

    def _fields(self) -> Mapping[str, Any]:
        if self._extra is None:
            self._extra = self._read()
        return self._extra

    def _read(self) -> Mapping[str, Any]:
        from airflow_dataops.clients.spark_k8s.connection import fields_of

        if self.kubernetes_conn_id is None:
            return {}
        try:
            connection = self.get_connection(self.kubernetes_conn_id)
        except AirflowNotFoundException:
            if self.kubernetes_conn_id != DEFAULT_CONNECTION:
                raise
            log.info("there is no connection %s; the worker's own cluster or kubeconfig is used", DEFAULT_CONNECTION)
            return {}
        return fields_of(self.kubernetes_conn_id, connection.extra_dejson)


__all__ = ["SparkKubernetesHook"]
